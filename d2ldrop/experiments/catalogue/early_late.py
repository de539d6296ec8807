"""When dropout is on: always, early, late, falling, or never.

Liu et al., "Dropout reduces underfitting" (ICML 2023); Rennie, Goel and Thomas, "Annealed dropout
training of deep networks" (SLT 2014).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from d2ldrop.data import Dataset
from d2ldrop.experiments.engine.experiment import TEST_ERROR, Arm, Experiment, Results, Setting
from d2ldrop.experiments.engine.figures import metric_curves
from d2ldrop.experiments.engine.measures import train_error
from d2ldrop.experiments.engine.sentences import best
from d2ldrop.training.run import Run

ALWAYS = "always"
LABELS = {**TEST_ERROR, "train_error": "training error, dropout off (%)"}


def arms(setting: Setting) -> list[Arm]:
    """Half of the epochs with dropout, and all or none."""
    recipe = setting.recipe
    half = max(1, recipe.num_epochs // 2)
    schedules = {
        ALWAYS: "constant",
        f"early: the first {half} epochs": f"early:{half}",
        f"late: after {half} epochs": f"late:{half}",
        "falling to none": f"linear:{recipe.num_epochs}",
    }
    found = [Arm(name, replace(recipe, schedule=value)) for name, value in schedules.items()]
    return [*found, Arm("never", replace(recipe, dropout=(0, 0)))]


def measure(run: Run, data: Dataset) -> dict[str, float]:
    """The training error as the test error is measured."""
    return {"train_error": train_error(run, data)}


def conclude(results: Results) -> str:
    """The best, and what is significantly better or worse than dropout throughout."""
    return best(results.test_errors, ALWAYS, "test error")


EXPERIMENT = Experiment(
    question="When should dropout be on: always, early, late, or less and less?",
    arms=arms,
    baseline=ALWAYS,
    metrics=LABELS,
    draw=partial(metric_curves, labels=LABELS),
    conclude=conclude,
    measure=measure,
    each_epoch=True,
)
