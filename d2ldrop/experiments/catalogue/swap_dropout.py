"""Exercise 1: what happens if the two layers swap their dropout probabilities?"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from d2ldrop.experiments.engine.definition import TEST_ERROR, Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import grid, panels
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.sentences import best, capital, versus
from d2ldrop.experiments.engine.statistics import estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES = (0.0, 0.2, 0.5, 0.8)
BOOK, SWAPPED = "0.2, 0.5", "0.5, 0.2"


def arms(setting: Setting) -> list[Arm]:
    """Train a grid of probabilities of both layers; it includes (0.2, 0.5) and (0.5, 0.2)."""
    pairs = sorted(product(RATES, RATES), key=lambda pair: pair != (0.2, 0.5))
    return [Arm(f"{p1:g}, {p2:g}", replace(setting.recipe, dropout=(p1, p2))) for p1, p2 in pairs]


def draw(results: Results) -> Figure:
    """Draw the grid of mean test errors."""
    figure, (axes,) = panels(1)
    errors = results.test_errors
    means = [[estimate(errors[f"{p1:g}, {p2:g}"]).mean for p2 in RATES] for p1 in RATES]
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
    """Compare the two pairs, then name the best pair of the grid."""
    errors = results.test_errors
    pair = versus(SWAPPED, errors[SWAPPED], BOOK, errors[BOOK], "the test error")
    return f"{capital(pair)}. {best(errors, BOOK, 'test error')}"


EXPERIMENT = Experiment(
    question="What if the two hidden layers swap their dropout probabilities?",
    arms=arms,
    baseline=BOOK,
    metrics=TEST_ERROR,
    draw=draw,
    conclude=conclude,
)
