"""Statistics of the hidden layers after an epoch: what dropout does to the activations.

They are computed by NumPy, from the weights that the framework has reached, on the test images,
with and without the epoch's noise. So one definition and the same masks hold for every framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypedDict

import d2ldrop_numpy as numpy_backend
import numpy as np
import numpy.typing as npt

from d2ldrop.core.arrays import Weights
from d2ldrop.core.noise import draw_noise, noisy_input
from d2ldrop.core.recipe import Recipe
from d2ldrop.prediction import scale_weights

RECORDS = ("activations",)
"""What a run can record beside its metrics."""


class LayerStatistics(TypedDict):
    """One hidden layer's, over all images and units: what the next layer is given."""

    mean: float
    variance: float
    zeros: float  # the fraction that is exactly 0


class EpochActivations(TypedDict):
    """After one epoch, for each hidden layer: with the noise of training, and without."""

    epoch: int
    training: list[LayerStatistics]
    evaluation: list[LayerStatistics]


def check_record(record: Sequence[str]) -> tuple[str, ...]:
    """``record`` as a tuple, each of it one of RECORDS.

    Raises:
        TypeError, ValueError: it is not.
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
    """The hidden layers' statistics on images X (n, 784), floating-point.

    Activations are those that enter the next layer: after ReLU and, in training mode, after the
    noise, pixels dropped included; the masks are the shared ones of step ``last_step``, drawn for
    n images. In the original form evaluation is with the scaled weights, as ever.
    """
    params, shared = list(weights.values()), replace(recipe, rng="shared")
    if recipe.scaling == "original":
        weights = scale_weights(weights, recipe.dropout)
    noise = draw_noise(shared, epoch, last_step, len(X))
    noisy_X = noisy_input(numpy_backend, X, shared, epoch, last_step)
    training = numpy_backend.forward(params, noisy_X, noise.dropout, noise.masks, noise.kind)
    quiet = (0, 0), (None, None), "dropout"
    evaluation = numpy_backend.forward(list(weights.values()), X, *quiet)
    return {
        "epoch": epoch + 1,
        "training": [_statistics(training[1]), _statistics(training[4])],
        "evaluation": [_statistics(evaluation[1]), _statistics(evaluation[4])],
    }


def _statistics(D: npt.NDArray[Any]) -> LayerStatistics:
    return {
        "mean": float(D.mean(dtype=np.float64)),
        "variance": float(D.var(dtype=np.float64)),
        "zeros": float(np.mean(D == 0)),
    }
