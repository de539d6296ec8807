"""All random numbers of a run. This is version 1 of their definition.

A stream is a Philox generator with key ``(seed, purpose)`` and counter ``(0, 0, a, b)``. No stream
depends on an earlier one: the mask of step 2,349 is drawn without drawing the masks before it. So
every process and every framework gets the same bits.

This module is the definition and can be read beside the specification. ``fast_masks`` draws the
same masks faster.

Philox: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.core.checks import check_word


class Purpose(IntEnum):
    """The use of a stream: the second word of its key. Append new members; never renumber."""

    WEIGHTS = 1
    ORDER = 2
    MASK = 3
    STAND_IN = 4
    NUDGE = 5
    NATIVE = 6
    MC = 7
    INPUT = 8
    UNIT = 9
    DROPCONNECT = 10
    NORMAL = 11


def stream(seed: int, purpose: Purpose, a: int = 0, b: int = 0) -> np.random.Philox:
    """The bit generator of one purpose; ``a`` and ``b`` select the epoch, step, site or layer."""
    return np.random.Philox(key=words(seed, purpose), counter=words(0, 0, a, b))


def words(*integers: int) -> npt.NDArray[np.uint64]:
    """Explicit uint64: NumPy might choose float64 for integers above 2**63."""
    return np.array(integers, dtype=np.uint64)


def dropout_mask(
    shape: Sequence[int],
    dropout: float,
    *,
    seed: int,
    step: int = 0,
    site: int = 0,
    purpose: Purpose = Purpose.MASK,
) -> npt.NDArray[np.bool_]:
    """The definition of a mask: booleans of ``shape``, True with probability 1 - p.

    Let 256 p = t + f, with an integer t and 0 <= f < 1. Each element takes one byte of the stream.
    A byte below t drops the element, and a byte above t keeps it. A byte equal to t is a tie. If f
    is 0, a tie keeps the element. Otherwise each tie takes one word, in order, after all bytes. The
    word's upper 53 bits are a fraction; below f, it drops the element.

    Use ``fast_masks.dropout_mask``: it draws the same mask and checks its arguments.
    """
    if dropout in (0, 1):
        return np.full(shape, dropout == 0)
    bits = stream(seed, purpose, a=step, b=site)
    n, (t, f) = math.prod(shape), divmod(256 * dropout, 1)
    drawn = bits.random_raw(math.ceil(n / 8)).astype("<u8").view(np.uint8)[:n]
    keep = drawn >= t
    if f > 0:
        tied = np.flatnonzero(drawn == t)
        keep[tied] = (bits.random_raw(tied.size) >> np.uint64(11)) * 2.0**-53 >= f
    return keep.reshape(shape)


def batch_order(seed: int, epoch: int, n: int) -> npt.NDArray[np.intp]:
    """The order in which an epoch (from 0) visits ``n`` examples: a permutation, shape (n,)."""
    bits = stream(check_word(seed, "seed"), Purpose.ORDER, a=check_word(epoch, "epoch"))
    return np.argsort(bits.random_raw(n), kind="stable")


def normal_noise(
    shape: Sequence[int], *, seed: int, step: int = 0, site: int = 0
) -> npt.NDArray[np.float64]:
    """Draws from N(0, 1) for one step and site, float64 of ``shape``.

    Raises:
        TypeError, ValueError: ``seed``, ``step`` or ``site`` is not an integer in [0, 2**64).
    """
    seed, step, site = (
        check_word(word, name) for word, name in ((seed, "seed"), (step, "step"), (site, "site"))
    )
    return np.random.Generator(stream(seed, Purpose.NORMAL, a=step, b=site)).standard_normal(shape)


def initial_weights(
    seed: int, sizes: Sequence[int], dtype: npt.DTypeLike = np.float32
) -> dict[str, npt.NDArray[Any]]:
    """Weights and biases of an MLP: W1 (sizes[0], sizes[1]), b1 (sizes[1],), W2 and so on.

    Weights are N(0, 0.01**2) as in the book (section 4.6), drawn in float64, then cast; biases
    are 0.
    """
    params: dict[str, npt.NDArray[Any]] = {}
    for layer, shape in enumerate(pairwise(sizes)):
        normal = np.random.Generator(stream(seed, Purpose.WEIGHTS, a=layer)).standard_normal(shape)
        params[f"W{layer + 1}"] = (0.01 * normal).astype(dtype)
        params[f"b{layer + 1}"] = np.zeros(shape[1], dtype)
    return params


def nudged(
    params: Mapping[str, npt.NDArray[Any]], seed: int, nudge: int
) -> dict[str, npt.NDArray[Any]]:
    """``params`` times (1 + 2**-52 N(0, 1)): a change of about one rounding error in each value."""
    moved = {}
    for index, (name, values) in enumerate(params.items()):
        bits = stream(seed, Purpose.NUDGE, a=nudge, b=index)
        noise = np.random.Generator(bits).standard_normal(values.shape)
        moved[name] = values * (1 + 2.0**-52 * noise).astype(values.dtype)
    return moved


def native_seed(seed: int, epoch: int) -> int:
    """A 31-bit seed for a framework's own generator: one per epoch, so that runs can be resumed."""
    return int(stream(seed, Purpose.NATIVE, a=epoch).random_raw()) >> 33
