"""Exercise 2: five times the epochs, with and without dropout."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from d2ldrop.data import Dataset
from d2ldrop.experiments.engine.definition import TEST_ERROR, Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import metric_curves
from d2ldrop.experiments.engine.measures import train_error
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.sentences import capital, versus
from d2ldrop.training.run import Run

WITH, WITHOUT = "with dropout", "without"
LABELS = {
    **TEST_ERROR,
    "train_error": "training error, dropout off (%)",
    "gap": "test minus training error (points)",
}


def arms(setting: Setting) -> list[Arm]:
    """Train five times as long as the recipe says, with and without dropout."""
    longer = replace(setting.recipe, num_epochs=5 * setting.recipe.num_epochs)
    return [Arm(WITH, longer), Arm(WITHOUT, replace(longer, dropout=(0, 0)))]


def measure(run: Run, data: Dataset) -> dict[str, float]:
    """Measure the training error without dropout, and the test error minus it."""
    error = train_error(run, data)
    return {"train_error": error, "gap": 100 * (1 - run.history[-1].test_accuracy) - error}


def conclude(results: Results) -> str:
    """Compare test error and gap after the last epoch."""
    error, gap = (
        versus(WITH, results.last(WITH, key), WITHOUT, results.last(WITHOUT, key), what)
        for key, what in (
            ("test_error", "the test error"),
            ("gap", "the test error minus the training error"),
        )
    )
    return f"After the last epoch {error}. {capital(gap)}."


EXPERIMENT = Experiment(
    question="What happens after five times as many epochs, with and without dropout?",
    arms=arms,
    baseline=WITHOUT,
    metrics=LABELS,
    draw=partial(metric_curves, labels=LABELS),
    conclude=conclude,
    measure=measure,
    each_epoch=True,
)
