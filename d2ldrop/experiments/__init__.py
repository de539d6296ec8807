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

from d2ldrop.experiments.engine.definition import Arm, Experiment, Setting
from d2ldrop.experiments.engine.results import Results

__all__ = ["NAMES", "Arm", "Experiment", "Results", "Setting", "find_experiment"]

NAMES = (
    "swap-dropout",
    "more-epochs",
    "activation-variance",
    "test-time",
    "weight-decay",
    "dropconnect",
    "own-noise",
    "rate-sweep",
    "data-size",
    "features",
    "max-norm",
    "early-late",
    "float32-chaos",
)
"""The names of all experiments: exercises 1 to 7, then the classical figures."""


def find_experiment(name: str) -> Experiment:
    """Return the experiment called ``name``.

    Raises:
        ValueError: no experiment has this name.
    """
    if name not in NAMES:
        raise ValueError(f"experiment must be one of {', '.join(NAMES)}, got {name!r}")
    module = import_module(f"{__name__}.catalogue.{name.replace('-', '_')}")
    experiment: Experiment = module.EXPERIMENT
    return experiment
