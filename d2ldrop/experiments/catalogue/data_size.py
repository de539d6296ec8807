"""The test error by number of training images, with and without dropout.

Srivastava et al., "Dropout" (JMLR 15, 2014), section 7.4 and figure 10.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from d2ldrop.experiments.engine.definition import TEST_ERROR, Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import curves, panels
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.sentences import capital, versus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (100, 500, 1_000, 5_000, 10_000)
NONE = "none"
LR = 0.1
"""Highest learning rate. At the book's 0.5, training diverges after many epochs on few images."""
EPOCHS_FACTOR = 20
"""Fewer images give fewer steps per epoch. The epochs are multiplied by at most this factor."""


def _name(dropout: bool, size: int) -> str:
    return f"{size:,} images, {'dropout' if dropout else NONE}"


def _none(name: str) -> str:
    """Return the arm without dropout on the same number of images."""
    return f"{name.rpartition(', ')[0]}, {NONE}"


def arms(setting: Setting) -> list[Arm]:
    """Train on the first images only; more epochs make up for fewer steps, up to a limit."""
    recipe = replace(setting.recipe, lr=min(setting.recipe.lr, LR))
    result = []
    for size in (*(n for n in SIZES if n < setting.num_images), setting.num_images):
        epochs = recipe.num_epochs * min(EPOCHS_FACTOR, setting.num_images // size)
        for on in (True, False):
            dropout = recipe.dropout if on else (0, 0)
            changed = replace(recipe, num_epochs=epochs, dropout=dropout)
            result.append(Arm(_name(on, size), changed, size))
    return result


def _sizes(results: Results) -> list[int]:
    return sorted({arm.train_size or 0 for arm in results.arms})


def draw(results: Results) -> Figure:
    """Draw the test error over the number of images."""
    figure, (axes,) = panels(1)
    sizes = _sizes(results)
    lines = {
        "with dropout" if on else "without": np.stack(
            [results.last(_name(on, size), "test_error") for size in sizes], axis=1
        )
        for on in (True, False)
    }
    curves(axes, lines, sizes, xlabel="training images", ylabel=TEST_ERROR["test_error"], log=True)
    return figure


def conclude(results: Results) -> str:
    """Compare dropout with none on the fewest and on the most images."""
    sizes = _sizes(results)
    fewest, most = (
        versus(
            "dropout",
            results.last(_name(True, size), "test_error"),
            NONE,
            results.last(_name(False, size), "test_error"),
            f"with {size:,} images the test error",
        )
        for size in (sizes[0], sizes[-1])
    )
    return f"{capital(fewest)}. {capital(most)}."


EXPERIMENT = Experiment(
    question="How does the effect of dropout depend on the number of training images?",
    arms=arms,
    baseline=NONE,
    baseline_of=_none,
    metrics=TEST_ERROR,
    draw=draw,
    conclude=conclude,
)
