"""Statistics of the hidden layers after an epoch: the effect of dropout on the activations.

NumPy computes them from the framework's weights on the test images, with and without the epoch's
noise. So every framework has the same definition and the same masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from d2ldrop.backend import get_backend
from d2ldrop.core.arrays import Weights
from d2ldrop.core.noise import NO_NOISE, Noise, noise_layer
from d2ldrop.core.recipe import Recipe
from d2ldrop.prediction import scale_weights
from d2ldrop.training.step_noise import draw_noise, drop_pixels

RECORDS = ("activations",)
"""Names of the data that a run can record in addition to its metrics."""


class LayerStatistics(TypedDict):
    """Statistics of one hidden layer over all images and units."""

    mean: float
    variance: float
    zeros: float  # fraction of the activations that are exactly 0


class EpochActivations(TypedDict):
    """Statistics after one epoch, one entry per hidden layer, with and without the noise."""

    epoch: int
    training: list[LayerStatistics]
    evaluation: list[LayerStatistics]


def check_record(record: Sequence[str]) -> tuple[str, ...]:
    """Return ``record`` as a tuple.

    Raises:
        TypeError: ``record`` is not a sequence.
        ValueError: one of its names is not in RECORDS.
    """
    if isinstance(record, str) or not isinstance(record, Sequence):
        raise TypeError(f"record must be a sequence of {', '.join(RECORDS)}, got {record!r}")
    for name in record:
        if name not in RECORDS:
            raise ValueError(f"record must be of {', '.join(RECORDS)}, got {name!r}")
    return tuple(record)


def hidden_statistics(
    weights: Weights, X: npt.NDArray[Any], recipe: Recipe, epoch: int, last_step: int
) -> EpochActivations:
    """The statistics of both hidden layers on images X (n, 784), floating-point.

    Activations are the inputs of the next layer: after ReLU and, in training mode, after the noise.
    Training mode includes pixel dropout. The masks are the shared ones of step ``last_step``, drawn
    for n images.
    With scaling "original", evaluation uses the scaled weights, as a prediction does.
    """
    shared = replace(recipe, rng="shared")
    noise = draw_noise(shared, epoch, last_step, len(X))
    noisy_X = drop_pixels(X, shared, epoch, last_step)
    original = recipe.scaling == "original"
    scaled = scale_weights(weights, recipe.dropout) if original else weights
    return {
        "epoch": epoch + 1,
        "training": [_statistics(D) for D in _activations(weights, noisy_X, noise)],
        "evaluation": [_statistics(D) for D in _activations(scaled, X, NO_NOISE)],
    }


def _activations(weights: Weights, X: npt.NDArray[Any], noise: Noise) -> list[npt.NDArray[Any]]:
    """The inputs of the second and the third linear layer, computed by NumPy."""
    dropout_layer = get_backend("numpy").dropout_layer
    W1, b1, W2, b2, W3, _ = weights.values()
    H1, W2 = noise_layer(dropout_layer, np.maximum(X @ W1 + b1, 0), W2, noise[0])
    H2, _ = noise_layer(dropout_layer, np.maximum(H1 @ W2 + b2, 0), W3, noise[1])
    return [H1, H2]


def _statistics(D: npt.NDArray[Any]) -> LayerStatistics:
    return {
        "mean": float(D.mean(dtype=np.float64)),
        "variance": float(D.var(dtype=np.float64)),
        "zeros": float(np.mean(D == 0)),
    }
