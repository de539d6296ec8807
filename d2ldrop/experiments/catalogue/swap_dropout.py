"""Exercise 1: what happens if the dropout probabilities of the two layers change places?"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from d2ldrop.experiments.engine.experiment import TEST_ERROR, Arm, Experiment, Results, Setting
from d2ldrop.experiments.engine.figures import grid, panels
from d2ldrop.experiments.engine.sentences import best, capital, versus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES = (0.0, 0.2, 0.5, 0.8)
BOOK, SWAPPED = "0.2, 0.5", "0.5, 0.2"


def arms(setting: Setting) -> list[Arm]:
    """A grid of the probabilities of both layers; the book's two pairs are in it."""
    pairs = sorted(product(RATES, RATES), key=lambda pair: pair != (0.2, 0.5))
    return [Arm(f"{p1:g}, {p2:g}", replace(setting.recipe, dropout=(p1, p2))) for p1, p2 in pairs]


def draw(results: Results) -> Figure:
    """The grid of mean test errors."""
    figure, (axes,) = panels(1)
    means = [[results.last(f"{p1:g}, {p2:g}", "test_error").mean() for p2 in RATES] for p1 in RATES]
    grid(
        axes,
        np.array(means),
        RATES,
        RATES,
        xlabel="p of the second hidden layer",
        ylabel="p of the first hidden layer",
        label="test error (%)",
    )
    return figure


def conclude(results: Results) -> str:
    """The two pairs, then the grid."""
    errors = results.test_errors
    pair = versus(SWAPPED, errors[SWAPPED], BOOK, errors[BOOK], "the test error")
    return f"{capital(pair)}. {best(errors, BOOK, 'test error')}"


EXPERIMENT = Experiment(
    question="What if the dropout probabilities of the two hidden layers change places?",
    arms=arms,
    baseline=BOOK,
    metrics=TEST_ERROR,
    draw=draw,
    conclude=conclude,
)
