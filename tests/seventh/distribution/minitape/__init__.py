"""MiniTape: arrays that know their gradients, a framework in 150 lines.

An array remembers the arrays that it was computed from, and how its gradient becomes theirs. Only
arrays that depend on a trainable one do so.

MiniTape computes in float32 unless the environment variable MINITAPE_FLOAT64 is 1: it then keeps
float64, too. (JAX has such a setting.)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__version__ = "0.1.0"
FLOAT64 = os.environ.get("MINITAPE_FLOAT64") == "1"

Values = npt.NDArray[Any]
Pull = Callable[[Values], Values]
"""Turns the gradient of a result into that of one source."""


class Array:
    """An array with a record of how it was computed.

    Attributes:
        values: a NumPy array.
        trainable: whether it is a parameter or depends on one.
        sources: the trainable arrays that it was computed from.
    """

    __array_ufunc__ = None  # NumPy then leaves "numpy_array * array" to this class

    def __init__(
        self,
        values: Any,
        *,
        trainable: bool = False,
        sources: Sequence[tuple[Array, Pull]] = (),
    ) -> None:
        self.values: Values = np.asarray(values)
        if self.values.dtype == np.float64 and not FLOAT64:
            self.values = self.values.astype(np.float32)
        self.sources = [(source, pull) for source, pull in sources if source.trainable]
        self.trainable: bool = trainable or bool(self.sources)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self.values.dtype

    @property
    def T(self) -> Array:  # noqa: N802 - the usual name
        """The transposed array."""
        return Array(self.values.T, sources=[(self, lambda grad: grad.T)])

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Array:
        """One element of the first axis, without a gradient."""
        return Array(self.values[index])

    def __matmul__(self, other: Array) -> Array:
        a, b = self.values, other.values
        return Array(
            a @ b, sources=[(self, lambda grad: grad @ b.T), (other, lambda grad: a.T @ grad)]
        )

    def __add__(self, other: Array | float) -> Array:
        other = self._array(other)
        a, b = self.values, other.values
        return Array(
            a + b,
            sources=[(self, lambda grad: _sum_to(grad, a)), (other, lambda grad: _sum_to(grad, b))],
        )

    def __mul__(self, other: Array | float) -> Array:
        other = self._array(other)
        a, b = self.values, other.values
        return Array(
            a * b,
            sources=[
                (self, lambda grad: _sum_to(grad * b, a)),
                (other, lambda grad: _sum_to(grad * a, b)),
            ],
        )

    def __truediv__(self, number: float) -> Array:
        divisor = self._array(number).values
        return Array(self.values / divisor, sources=[(self, lambda grad: grad / divisor)])

    __radd__ = __add__
    __rmul__ = __mul__

    def _array(self, other: Array | float) -> Array:
        """``other``; a number gets this array's dtype, so that it does not change the dtype."""
        return other if isinstance(other, Array) else Array(np.asarray(other, self.dtype))


def _sum_to(grad: Values, source: Values) -> Values:
    """Sum the gradient of a broadcast array over the axes that broadcasting added or stretched."""
    added = grad.ndim - source.ndim
    grad = np.sum(grad, axis=tuple(range(added)))
    stretched = tuple(i for i, size in enumerate(source.shape) if size == 1)
    summed: Values = np.sum(grad, axis=stretched, keepdims=True)
    return summed


def relu(X: Array) -> Array:
    """max(X, 0); the gradient is 0 where X is 0."""
    positive = X.values > 0
    return Array(np.maximum(X.values, 0), sources=[(X, lambda grad: grad * positive)])


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of logits (n, k) and integer labels y (n,), averaged."""
    shifted = logits.values - logits.values.max(axis=1, keepdims=True)
    softmax = np.exp(shifted)
    total = softmax.sum(axis=1, keepdims=True)
    softmax /= total
    correct = np.arange(len(y)), y.values
    loss = (np.log(total[:, 0]) - shifted[correct]).mean()
    softmax[correct] -= 1
    return Array(loss, sources=[(logits, lambda grad: grad * softmax / len(y))])


def gradients(loss: Array, params: Sequence[Array]) -> list[Array]:
    """The gradients of ``loss`` with respect to ``params``, by reverse mode."""
    found = {id(array): np.zeros_like(array.values) for array in params}
    found[id(loss)] = np.ones_like(loss.values)
    for array in reversed(_in_order(loss, {})):
        for source, pull in array.sources:
            found[id(source)] = found.get(id(source), 0) + pull(found[id(array)])
    return [Array(found[id(param)]) for param in params]


def _in_order(array: Array, seen: dict[int, Array]) -> list[Array]:
    """The array and all that it depends on; each after its sources."""
    for source, _ in array.sources:
        if id(source) not in seen:
            _in_order(source, seen)
    seen[id(array)] = array
    return list(seen.values())


_generator = np.random.default_rng()


def seed(number: int) -> None:
    """Start the framework's random numbers anew."""
    global _generator
    _generator = np.random.default_rng(number)


def uniform(shape: Sequence[int]) -> Array:
    """Uniform random numbers in [0, 1), in float32."""
    return Array(_generator.random(shape, dtype=np.float32))
