"""Exercise 7: is another noise better than dropout on the same architecture?

``d2ldrop.core.noise`` describes the noises and names their sources.
"""

from __future__ import annotations

from dataclasses import replace

from d2ldrop.experiments.catalogue.dropconnect import LR
from d2ldrop.experiments.engine.definition import TEST_ERROR, Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import error_dots
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.sentences import best

DROPOUT = "dropout"


def arms(setting: Setting) -> list[Arm]:
    """Train with dropout, with five other noises of the same strength, and without noise.

    All arms use a learning rate at which each of them trains.
    """
    recipe = setting.recipe
    calm = replace(recipe, lr=min(recipe.lr, LR), noise="dropout")
    return [
        Arm(DROPOUT, calm),
        Arm("Gaussian, multiplied", replace(calm, noise="gaussian")),
        Arm("Gaussian, added", replace(calm, noise="additive")),
        Arm("one mask a batch", replace(calm, noise="unit")),
        Arm("DropConnect", replace(calm, noise="dropconnect")),
        Arm("pixels dropped", replace(calm, noise="none", input_dropout=recipe.dropout[0])),
        Arm("none", replace(calm, noise="none")),
    ]


def conclude(results: Results) -> str:
    """Name the best noise, and those significantly better or worse than dropout."""
    return best(results.test_errors, DROPOUT, "test error")


EXPERIMENT = Experiment(
    question="Is another noise better than dropout on the same architecture?",
    arms=arms,
    baseline=DROPOUT,
    metrics=TEST_ERROR,
    draw=error_dots,
    conclude=conclude,
)
