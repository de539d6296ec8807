"""The lower bound computes the matrix products of a training step."""

from __future__ import annotations

from typing import Any

import numpy as np

from d2ldrop.bench.products import step_of_products


def test_the_products_are_those_of_a_training_step() -> None:
    rng = np.random.default_rng(0)
    X, W1, W2, W3 = (rng.normal(size=s) for s in ((5, 7), (7, 4), (4, 3), (3, 2)))
    calls = []

    def matmul(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
        calls.append((a, b))
        return (a.T if transpose_a else a) @ (b.T if transpose_b else b)

    dW3, dW2, dW1 = step_of_products(matmul, X, (W1, W2, W3))
    assert [d.shape for d in (dW1, dW2, dW3)] == [W.shape for W in (W1, W2, W3)]
    assert len(calls) == 8
    np.testing.assert_allclose(dW1, X.T @ (X @ W1 @ W2 @ W3 @ W3.T @ W2.T))
