"""The test error by p, at a fixed width and at a fixed expected width.

Srivastava et al., "Dropout" (JMLR 15, 2014), section 7.3 and figure 9.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from d2ldrop.experiments.engine.definition import TEST_ERROR, Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import curves, panels
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.sentences import best

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8)
FIXED, EXPECTED = "width n", "expected width n/2"
BASELINE = f"{FIXED}, p = 0"


def arms(setting: Setting) -> list[Arm]:
    """Use the same p in both layers: with n units, or with n/2 kept units on average."""
    recipe = setting.recipe
    wide = [Arm(f"{FIXED}, p = {p:g}", replace(recipe, dropout=(p, p))) for p in RATES]
    h1, h2 = recipe.num_hiddens
    kept = [
        Arm(
            f"{EXPECTED}, p = {p:g}",
            replace(
                recipe,
                dropout=(p, p),
                num_hiddens=(max(1, round(h1 / 2 / (1 - p))), max(1, round(h2 / 2 / (1 - p)))),
            ),
        )
        for p in RATES
    ]
    return wide + kept


def draw(results: Results) -> Figure:
    """Draw the test error over p."""
    figure, (axes,) = panels(1)
    lines = {
        kind: np.stack([results.last(f"{kind}, p = {p:g}", "test_error") for p in RATES], axis=1)
        for kind in (FIXED, EXPECTED)
    }
    curves(
        axes,
        lines,
        RATES,
        xlabel="p of both hidden layers",
        ylabel=TEST_ERROR["test_error"],
    )
    return figure


def conclude(results: Results) -> str:
    """Name the best arm, and those significantly better or worse than p = 0."""
    return best(results.test_errors, BASELINE, "test error")


EXPERIMENT = Experiment(
    question="How does the error depend on p, at a fixed width and at a fixed expected width?",
    arms=arms,
    baseline=BASELINE,
    metrics=TEST_ERROR,
    draw=draw,
    conclude=conclude,
)
