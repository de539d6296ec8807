"""Exercise 7: other noises on the same architecture: is any of them better than dropout?

The noises, with their sources, are those of ``d2ldrop.core.noise``.
"""

from __future__ import annotations

from dataclasses import replace

from d2ldrop.experiments.catalogue.dropconnect import LR
from d2ldrop.experiments.engine.experiment import TEST_ERROR, Arm, Experiment, Results, Setting
from d2ldrop.experiments.engine.figures import error_dots
from d2ldrop.experiments.engine.sentences import best

DROPOUT = "dropout"


def arms(setting: Setting) -> list[Arm]:
    """Dropout, five others of its strength, and none; all at a rate at which each one trains."""
    recipe = setting.recipe
    calm = replace(recipe, lr=min(recipe.lr, LR))
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
    """The best, and what is significantly better or worse than dropout."""
    return best(results.test_errors, DROPOUT, "test error")


EXPERIMENT = Experiment(
    question="Is another noise better than dropout, the architecture being the same?",
    arms=arms,
    baseline=DROPOUT,
    metrics=TEST_ERROR,
    draw=error_dots,
    conclude=conclude,
)
