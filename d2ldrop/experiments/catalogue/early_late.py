"""Schedules of dropout: always, early, late, decreasing, or never.

Liu et al., "Dropout reduces underfitting" (ICML 2023); Rennie, Goel and Thomas, "Annealed dropout
training of deep networks" (SLT 2014).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from d2ldrop.data import Dataset
from d2ldrop.experiments.engine.definition import TEST_ERROR, Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import metric_curves
from d2ldrop.experiments.engine.measures import train_error
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.sentences import best
from d2ldrop.training.run import Run

ALWAYS = "always"
LABELS = {**TEST_ERROR, "train_error": "training error, dropout off (%)"}


def arms(setting: Setting) -> list[Arm]:
    """Use dropout in all epochs, in half of them, with decreasing strength, or never."""
    recipe = setting.recipe
    half = max(1, recipe.num_epochs // 2)
    schedules = {
        ALWAYS: "constant",
        f"early: the first {half} epochs": f"early:{half}",
        f"late: after {half} epochs": f"late:{half}",
        "falling to none": f"linear:{recipe.num_epochs}",
    }
    scheduled = [Arm(name, replace(recipe, schedule=value)) for name, value in schedules.items()]
    return [*scheduled, Arm("never", replace(recipe, dropout=(0, 0)))]


def measure(run: Run, data: Dataset) -> dict[str, float]:
    """Measure the training error (%) without dropout."""
    return {"train_error": train_error(run, data)}


def conclude(results: Results) -> str:
    """Name the best schedule, and those significantly better or worse than constant dropout."""
    return best(results.test_errors, ALWAYS, "test error")


EXPERIMENT = Experiment(
    question="When should dropout be on: always, early, late, or with decreasing strength?",
    arms=arms,
    baseline=ALWAYS,
    metrics=LABELS,
    draw=partial(metric_curves, labels=LABELS),
    conclude=conclude,
    measure=measure,
    each_epoch=True,
)
