"""The error against the number of training images, with and without dropout.

Srivastava et al., "Dropout" (JMLR 15, 2014), section 7.4 and figure 10.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from d2ldrop.experiments.engine.experiment import TEST_ERROR, Arm, Experiment, Results, Setting
from d2ldrop.experiments.engine.figures import curves, panels
from d2ldrop.experiments.engine.sentences import capital, versus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (100, 500, 1_000, 5_000, 10_000)
NONE = "none"
LR = 0.1
"""At the book's 0.5 many epochs on few images end in networks that have fallen apart."""
MOST_EPOCHS = 20
"""Few images make few steps an epoch: up to so many times the recipe's epochs."""


def _name(dropout: bool, size: int) -> str:
    return f"{size:,} images, {'dropout' if dropout else NONE}"


def _none(name: str) -> str:
    """The run without dropout on as many images."""
    return f"{name.rpartition(', ')[0]}, {NONE}"


def arms(setting: Setting) -> list[Arm]:
    """The first images only, for as many steps as the whole would take, within a limit."""
    recipe = replace(setting.recipe, lr=min(setting.recipe.lr, LR))
    found = []
    for size in (*(n for n in SIZES if n < setting.num_images), setting.num_images):
        epochs = recipe.num_epochs * min(MOST_EPOCHS, setting.num_images // size)
        for on in (True, False):
            dropout = recipe.dropout if on else (0, 0)
            changed = replace(recipe, num_epochs=epochs, dropout=dropout)
            found.append(Arm(_name(on, size), changed, size))
    return found


def _sizes(results: Results) -> list[int]:
    return sorted({arm.train_size or 0 for arm in results.arms})


def draw(results: Results) -> Figure:
    """The test error against the number of images."""
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
    """The fewest images, and the most."""
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
    question="How does what dropout gives depend on the number of training images?",
    arms=arms,
    baseline=NONE,
    baseline_of=_none,
    metrics=TEST_ERROR,
    draw=draw,
    conclude=conclude,
)
