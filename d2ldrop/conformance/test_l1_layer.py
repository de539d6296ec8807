"""L1: the values and the gradients of ``dropout_layer`` with given masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from d2ldrop.conformance.judge import check_close, ulps, values_of
from d2ldrop.core.randomness import dropout_mask, normal_noise


@pytest.mark.place("layer forward")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.1, 0.3, 0.7])
def test_given_mask(backend: Any, p: float, dtype: str) -> None:
    """Each kept element is divided by 1 - p, and the others are 0."""
    place = f"layer forward, given mask [p={p}, {dtype}]"
    X = normal_noise((40, 30), seed=0).astype(dtype)
    mask = dropout_mask(X.shape, p, seed=1)
    Y = backend.dropout_layer(backend.from_numpy(X.copy()), p, mask=backend.from_numpy(mask.copy()))
    expected = (mask * X.astype(np.float64) / (1 - p)).astype(dtype)
    check_close(place, values_of(backend, Y, place), expected, ulps(expected, 4))
