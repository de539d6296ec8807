"""Masks are scaled in their own dtype, at every size."""

from __future__ import annotations

import numpy as np
import pytest

from d2ldrop.core.fast_masks import scaled, scaled_product
from d2ldrop.core.threads import LARGE


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [8, LARGE], ids=["small", "threads"])
def test_masks_are_scaled_in_their_own_dtype(size: int, dtype: str) -> None:
    """Neither 0.7 nor its reciprocal is a float32, so float64 must not pass through float32."""
    mask = np.random.default_rng(0).random((8, size // 8)) >= 0.3
    X = np.full(mask.shape, 1.1, dtype)
    numbers, product = scaled(mask, 1 - 0.3, dtype), scaled_product(X, mask, 1 - 0.3)
    assert numbers.dtype == product.dtype == dtype
    rtol = 4 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(numbers, mask / 0.7, rtol=rtol, atol=0)
    np.testing.assert_allclose(product, mask * X / 0.7, rtol=rtol, atol=0)
