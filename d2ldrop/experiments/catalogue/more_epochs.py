"""Exercise 2: five times the epochs, with and without dropout."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from d2ldrop.data import Dataset
from d2ldrop.experiments.engine.experiment import TEST_ERROR, Arm, Experiment, Results, Setting
from d2ldrop.experiments.engine.figures import metric_curves
from d2ldrop.experiments.engine.measures import train_error
from d2ldrop.experiments.engine.sentences import capital, versus
from d2ldrop.training.run import Run

WITH, WITHOUT = "with dropout", "without"
LABELS = {
    **TEST_ERROR,
    "train_error": "training error, dropout off (%)",
    "gap": "test less training error (points)",
}


def arms(setting: Setting) -> list[Arm]:
    """The recipe for five times its epochs, and the same without dropout."""
    longer = replace(setting.recipe, num_epochs=5 * setting.recipe.num_epochs)
    return [Arm(WITH, longer), Arm(WITHOUT, replace(longer, dropout=(0, 0)))]


def measure(run: Run, data: Dataset) -> dict[str, float]:
    """The training error as the test error is measured, and the gap between them."""
    error = train_error(run, data)
    return {"train_error": error, "gap": 100 * (1 - run.history[-1].test_accuracy) - error}


def conclude(results: Results) -> str:
    """The test error and the gap, at the end."""
    error, gap = (
        versus(WITH, results.last(WITH, key), WITHOUT, results.last(WITHOUT, key), what)
        for key, what in (
            ("test_error", "the test error"),
            ("gap", "the gap to the training error"),
        )
    )
    return f"After the last epoch {error}. {capital(gap)}."


EXPERIMENT = Experiment(
    question="More epochs: what do they give with dropout, and what without?",
    arms=arms,
    baseline=WITHOUT,
    metrics=LABELS,
    draw=partial(metric_curves, labels=LABELS),
    conclude=conclude,
    measure=measure,
    each_epoch=True,
)
