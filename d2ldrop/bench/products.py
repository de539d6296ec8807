"""The lower bound: the matrix products of a training step and nothing else.

A step has eight products: three in the forward pass, two for the gradients of the hidden layers,
and three for the gradients of the weights. Images are read in order, and weights do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

MatMul = Callable[[Any, Any, bool, bool], Any]
"""``matmul(a, b, transpose_a, transpose_b)``."""


def step_of_products(matmul: MatMul, x: Any, weights: Sequence[Any]) -> tuple[Any, ...]:
    """Return the products for the gradients of W3, W2, W1; x is (n, 784)."""
    W1, W2, W3 = weights
    z1 = matmul(x, W1, False, False)
    z2 = matmul(z1, W2, False, False)
    z3 = matmul(z2, W3, False, False)
    d2 = matmul(z3, W3, False, True)
    d1 = matmul(d2, W2, False, True)
    return matmul(z2, z3, True, False), matmul(z1, d2, True, False), matmul(x, d1, True, False)
