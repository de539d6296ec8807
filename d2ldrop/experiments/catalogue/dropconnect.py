"""Exercise 6: drop weights instead of activations.

Wan et al., "Regularization of neural networks using DropConnect" (ICML 2013).
"""

from __future__ import annotations

from dataclasses import replace

from d2ldrop.experiments.engine.definition import TEST_ERROR, Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import error_dots
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.sentences import capital, versus

LR = 0.2
"""Highest learning rate. DropConnect has one mask per batch, and at the book's learning rate of 0.5
the network then hardly trains (see ``d2ldrop.core.noise``)."""
DROPOUT, DROPCONNECT, NEITHER = "dropout", "DropConnect", "neither"


def arms(setting: Setting) -> list[Arm]:
    """Drop activations, drop weights with the same probabilities, or drop nothing."""
    calm = replace(setting.recipe, lr=min(setting.recipe.lr, LR), noise="dropout")
    return [
        Arm(DROPOUT, calm),
        Arm(DROPCONNECT, replace(calm, noise="dropconnect")),
        Arm(NEITHER, replace(calm, noise="none")),
    ]


def conclude(results: Results) -> str:
    """Compare DropConnect with dropout, then with no noise."""
    errors = results.test_errors
    first, second = (
        versus(DROPCONNECT, errors[DROPCONNECT], other, errors[other], "the test error")
        for other in (DROPOUT, NEITHER)
    )
    return f"{capital(first)}. {capital(second)}."


EXPERIMENT = Experiment(
    question="What if training drops weights instead of activations?",
    arms=arms,
    baseline=DROPOUT,
    metrics=TEST_ERROR,
    draw=error_dots,
    conclude=conclude,
)
