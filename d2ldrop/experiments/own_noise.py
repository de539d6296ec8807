"""Exercise 7: other noises on the same architecture: is any of them better than dropout?

The noises, with their sources, are those of ``d2ldrop.noise``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from d2ldrop.experiments._experiment import TEST_ERROR, Arm, Experiment, Results, Setting
from d2ldrop.experiments._figures import dots, panels
from d2ldrop.experiments._sentences import best
from d2ldrop.experiments.dropconnect import LR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def draw(results: Results) -> Figure:
    """The test errors."""
    figure, (axes,) = panels(1)
    errors = {name: results.last(name, "test_error") for name in results.names}
    dots(axes, errors, TEST_ERROR["test_error"])
    return figure


def conclude(results: Results) -> str:
    """The best, and what is significantly better or worse than dropout."""
    errors = {name: results.last(name, "test_error") for name in results.names}
    return best(errors, DROPOUT, "test error")


EXPERIMENT = Experiment(
    question="Is another noise better than dropout, the architecture being the same?",
    arms=arms,
    baseline=DROPOUT,
    metrics=TEST_ERROR,
    draw=draw,
    conclude=conclude,
)
