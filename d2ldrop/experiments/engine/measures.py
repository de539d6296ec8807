"""Measurements that several experiments share.

NumPy computes them from the weights, so the same code measures every framework.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.backend import get_backend
from d2ldrop.data import Dataset, to_network
from d2ldrop.training.run import Run

SAMPLE = 10_000
"""Training images on which the training error is measured: as many as there are test images."""


def error_percent(scores: npt.NDArray[Any], labels: npt.NDArray[np.uint8]) -> float:
    """Return the classification error (%) of logits or probabilities (n, 10), labels (n,)."""
    return float(100 * np.mean(scores.argmax(axis=1) != labels))


def train_error(run: Run, data: Dataset) -> float:
    """Return the error (%) on the first training images, without dropout."""
    images = to_network(data.train_images[:SAMPLE], run.recipe.dtype)
    logits = get_backend("numpy").predict(list(run.weights.values()), images)
    return error_percent(logits, data.train_labels[:SAMPLE])
