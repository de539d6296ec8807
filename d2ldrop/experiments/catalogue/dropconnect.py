"""Exercise 6: drop weights instead of activations.

Wan et al., "Regularization of neural networks using DropConnect" (ICML 2013).
"""

from __future__ import annotations

from dataclasses import replace

from d2ldrop.experiments.engine.experiment import TEST_ERROR, Arm, Experiment, Results, Setting
from d2ldrop.experiments.engine.figures import error_dots
from d2ldrop.experiments.engine.sentences import capital, versus

LR = 0.2
"""At the book's 0.5 the network hardly trains with one mask per batch (``d2ldrop.core.noise``)."""
DROPOUT, DROPCONNECT, NEITHER = "dropout", "DropConnect", "neither"


def arms(setting: Setting) -> list[Arm]:
    """Activations dropped, weights dropped with the same probabilities, and neither."""
    calm = replace(setting.recipe, lr=min(setting.recipe.lr, LR))
    return [
        Arm(DROPOUT, calm),
        Arm(DROPCONNECT, replace(calm, noise="dropconnect")),
        Arm(NEITHER, replace(calm, noise="none")),
    ]


def conclude(results: Results) -> str:
    """Against dropout, then against neither."""
    errors = results.test_errors
    first, second = (
        versus(DROPCONNECT, errors[DROPCONNECT], other, errors[other], "the test error")
        for other in (DROPOUT, NEITHER)
    )
    return f"{capital(first)}. {capital(second)}."


EXPERIMENT = Experiment(
    question="What if weights are dropped instead of activations?",
    arms=arms,
    baseline=DROPOUT,
    metrics=TEST_ERROR,
    draw=error_dots,
    conclude=conclude,
)
