"""The section's exercises, and dropout's classical figures, answered with numbers.

``d2ldrop experiment NAME`` trains what one of them compares, over several seeds, on any backend.
Each is a module here that says what is trained (``arms``), what is measured, how it is drawn and
what follows; ``_execution`` runs the jobs, ``_statistics`` judges the differences.

The numbers of the exercises are those of *Dive into Deep Learning*, section 4.6 (English edition:
5.6); the sources of the others are in their modules.
"""

from __future__ import annotations

from importlib import import_module

from d2ldrop.experiments.engine.experiment import Arm, Experiment, Results, Setting

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
"""Exercises 1 to 7, then the classical figures."""


def find_experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in NAMES:
        raise ValueError(f"experiment must be one of {', '.join(NAMES)}, got {name!r}")
    module = import_module(f"{__name__}.catalogue.{name.replace('-', '_')}")
    experiment: Experiment = module.EXPERIMENT
    return experiment
