"""Exercises of the section, and classical figures about dropout, answered with numbers.

``d2ldrop experiment NAME`` trains the arms of one experiment over several seeds, on any backend.

- ``catalogue``: one module per experiment. It defines the trainings (``arms``), the measurements,
  the figure and the conclusion.
- ``engine``: plans the runs, executes them, compares them and writes the results.

The exercises are numbered as in *Dive into Deep Learning*, section 4.6 (English edition: 5.6). The
other experiments name their sources in their modules.
"""

from __future__ import annotations

from importlib import import_module

from d2ldrop.core.suggestions import did_you_mean
from d2ldrop.experiments.engine.definition import Arm, Experiment, Setting
from d2ldrop.experiments.engine.results import Results

__all__ = ["ABOUT", "NAMES", "Arm", "Experiment", "Results", "Setting", "find_experiment"]

ABOUT = {
    "swap-dropout": "What if the two hidden layers swap their dropout?",
    "more-epochs": "What happens after five times as many epochs?",
    "activation-variance": "How does the variance of the activations evolve?",
    "test-time": "Why is dropout not left on at test time?",
    "weight-decay": "Do the effects of dropout and weight decay add up?",
    "dropconnect": "What if training drops weights, not activations?",
    "own-noise": "Is another noise better than dropout?",
    "rate-sweep": "How does the error depend on p and on the width?",
    "data-size": "How does the effect depend on the number of images?",
    "features": "Which features does the first layer learn?",
    "max-norm": "What does a bound on the norm of the weights add?",
    "early-late": "When should dropout be on: always, early or late?",
    "float32-chaos": "Do two frameworks diverge in float32 and in float64?",
}
"""One line about each experiment: exercises 1 to 7, then the classical figures."""

NAMES = tuple(ABOUT)
"""The names of all experiments."""


def find_experiment(name: str) -> Experiment:
    """Return the experiment called ``name``.

    Raises:
        ValueError: no experiment has this name.
    """
    if name not in NAMES:
        hint = did_you_mean(str(name), NAMES)
        raise ValueError(f"experiment must be one of {', '.join(NAMES)}, got {name!r}{hint}")
    module = import_module(f"{__name__}.catalogue.{name.replace('-', '_')}")
    experiment: Experiment = module.EXPERIMENT
    return experiment
