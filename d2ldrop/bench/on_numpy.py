"""NumPy: its matrix products, and the book's dropout function. NumPy has no trainer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.bench.peers import Products
from d2ldrop.bench.products import (
    batches_of,
    one_after_another,
    one_thread_per_core,
    step_of_products,
)
from d2ldrop.core.randomness import dropout_mask
from d2ldrop.core.recipe import Recipe
from d2ldrop.layer import dropout_backward, dropout_layer

Array = npt.NDArray[Any]


def product_paths(X: Array, weights: list[Array], batch_size: int) -> dict[str, Products]:
    """Return the matrix products of an epoch: on all cores, and each batch on one core."""

    def dot(a: Array, b: Array, transpose_a: bool, transpose_b: bool) -> Array:
        product: Array = np.dot(a.T if transpose_a else a, b.T if transpose_b else b)
        return product

    step, images = partial(step_of_products, dot, weights=weights), batches_of(X, batch_size)
    return {
        "np.dot": one_after_another(step, images),
        "np.dot, threads": one_thread_per_core(step, images),
    }


def trainers(X: Array, y: Array, recipe: Recipe) -> dict[str, Callable[[], None]]:
    """Return an empty dict: NumPy has no trainer."""
    return {}


def own_dropout(X: Array, dropout: float) -> Array:
    """Apply the function of the book's section 4.6, with one float32 draw per element."""
    mask = np.random.default_rng().random(X.shape, dtype=np.float32) > dropout
    result: Array = mask.astype(X.dtype) * X / (1 - dropout)
    return result


def forward_backward(X: Array, dropout: float, step: int) -> Array:
    """Apply ``dropout_layer`` and return its gradient; the mask is drawn once."""
    mask = dropout_mask(X.shape, dropout, seed=0, step=step)
    return dropout_backward(dropout_layer(X, dropout, mask=mask), dropout, mask=mask)


def own_forward_backward(X: Array, dropout: float) -> Array:
    """Apply the book's function and return its gradient."""
    mask = np.random.default_rng().random(X.shape, dtype=np.float32) > dropout
    Y = mask.astype(X.dtype) * X / (1 - dropout)
    result: Array = mask.astype(X.dtype) * Y / (1 - dropout)
    return result


def synchronise(x: Array) -> None:
    """Do nothing: NumPy's operations are finished when they return."""
