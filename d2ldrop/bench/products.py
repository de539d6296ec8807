"""The lower bound: the matrix products of a training step and nothing else.

A step has eight products: three in the forward pass, two for the gradients of the hidden layers,
and three for the gradients of the weights. Images are read in order, and weights do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

MatMul = Callable[[Any, Any, bool, bool], Any]
"""``matmul(a, b, transpose_a, transpose_b)``."""
Result = TypeVar("Result")


def step_of_products(matmul: MatMul, x: Any, weights: Sequence[Any]) -> tuple[Any, ...]:
    """Return the products for the gradients of W3, W2, W1; x is (n, 784)."""
    W1, W2, W3 = weights
    z1 = matmul(x, W1, False, False)
    z2 = matmul(z1, W2, False, False)
    z3 = matmul(z2, W3, False, False)
    d2 = matmul(z3, W3, False, True)
    d1 = matmul(d2, W2, False, True)
    return matmul(z2, z3, True, False), matmul(z1, d2, True, False), matmul(x, d1, True, False)


def one_after_another(
    step: Callable[[Any], Result], batches: Sequence[Any]
) -> Callable[[], Result]:
    """Return a function that calls ``step`` for each batch and returns the last result."""

    def epoch() -> Result:
        *_, last = map(step, batches)
        return last

    return epoch


def one_thread_per_core(
    step: Callable[[Any], Result], batches: Sequence[Any]
) -> Callable[[], Result]:
    """Do the same, but share the batches among threads, each of which multiplies on one core.

    There are as many threads as the libraries of this process use for one product. A product of
    one thread needs no waiting for the others, so this can be faster.
    """
    libraries = ThreadpoolController()
    threads = max([1, *(library["num_threads"] for library in libraries.info())])
    shares = [share for share in np.array_split(np.arange(len(batches)), threads) if len(share)]

    def work(share: Any) -> Result:
        with libraries.limit(limits=1, user_api="openmp"):  # each thread has its own limit
            return one_after_another(step, [batches[i] for i in share])()

    def epoch() -> Result:
        with libraries.limit(limits=1), ThreadPoolExecutor(len(shares)) as pool:
            *_, last = pool.map(work, shares)
            return last

    return epoch


def batches_of(X: Any, batch_size: int) -> list[Any]:
    """Return the batches of X in order, as views; the last may be smaller."""
    return [X[i : i + batch_size] for i in range(0, len(X), batch_size)]
