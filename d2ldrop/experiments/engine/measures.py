"""What several experiments measure: by NumPy, from the weights, so the same for every framework."""

from __future__ import annotations

from typing import Any

import d2ldrop_numpy as numpy_backend
import numpy as np
import numpy.typing as npt

from d2ldrop.data import Dataset, to_network
from d2ldrop.training.run import Run

SAMPLE = 10_000
"""Training images on which the error without dropout is measured: as many as there are to test."""


def error(logits: npt.NDArray[Any], labels: npt.NDArray[np.uint8]) -> float:
    """The classification error in %, of logits or probabilities (n, 10)."""
    return float(100 * np.mean(logits.argmax(axis=1) != labels))


def train_error(run: Run, data: Dataset) -> float:
    """The error in % on the first training images, without dropout, as the test error is."""
    images = to_network(data.train_images[:SAMPLE], run.recipe.dtype)
    logits = numpy_backend.predict(list(run.weights.values()), images)
    return error(logits, data.train_labels[:SAMPLE])
