"""Every random number of a run, from one keyed NumPy stream (randomness, version 1).

A stream is a Philox generator keyed by ``(seed, purpose)`` that starts at counter ``(0, 0, a, b)``.
Nothing is carried from one stream to the next, so the mask of step 2,349 is known without drawing
the 2,349 before it: any process, in any framework, at any time, gets the same bits.

Philox: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from enum import IntEnum
from itertools import pairwise
from types import EllipsisType
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.core.arrays import aligned
from d2ldrop.core.checks import check_probability, check_word
from d2ldrop.core.threads import LARGE, NEAR, by_rows, in_blocks, parts


class Purpose(IntEnum):
    """What a stream is for: the second word of its key. New ones are appended, none renumbered."""

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


BYTES = 32
"""Bytes in one of Philox's blocks, by which its counter counts."""


def stream(
    seed: int, purpose: Purpose, a: int = 0, b: int = 0, blocks: int = 0
) -> np.random.Philox:
    """The bit generator of one purpose; ``a`` and ``b`` say which epoch, step, site or layer.

    It begins ``blocks`` blocks of 32 bytes after the stream's start.
    """
    return np.random.Philox(key=_words(seed, purpose), counter=_words(blocks, 0, a, b))


def _words(*integers: int) -> npt.NDArray[np.uint64]:
    """As NumPy would not make them of a list with a word above 2**63, but float64."""
    return np.array(integers, dtype=np.uint64)


class _OwnGenerator(threading.local):
    """A generator of each thread's own, to be set to one stream after another.

    A new one asks the system for randomness, which its key replaces: 8 µs of the 50 of a mask.
    """

    def __init__(self) -> None:
        self.bits = np.random.Philox(0)

    def stream(
        self, seed: int, purpose: Purpose, a: int = 0, b: int = 0, blocks: int = 0
    ) -> np.random.Philox:
        """As the function ``stream``; what was returned before goes on from there too."""
        self.bits.state = {
            "bit_generator": "Philox",
            "state": {"key": _words(seed, purpose), "counter": _words(blocks, 0, a, b)},
            "buffer": _words(0, 0, 0, 0),
            "buffer_pos": 4,  # used up
            "has_uint32": 0,
            "uinteger": 0,
        }
        return self.bits


_own = _OwnGenerator()


def batch_order(seed: int, epoch: int, n: int) -> npt.NDArray[np.intp]:
    """The order in which an epoch (from 0) visits ``n`` examples: a permutation, shape (n,)."""
    words = stream(
        check_word(seed, "seed"), Purpose.ORDER, a=check_word(epoch, "epoch")
    ).random_raw(n)
    return np.argsort(words, kind="stable")


def dropout_mask(
    shape: Sequence[int],
    dropout: float,
    *,
    seed: int,
    step: int = 0,
    site: int = 0,
    purpose: Purpose = Purpose.MASK,
) -> npt.NDArray[np.bool_]:
    """The keep mask of one step and site: booleans of ``shape``, True with probability 1 - p.

    A byte an element decides against p in 1/256ths; only a byte that ties with p, and p that is no
    multiple of 1/256, needs 53 bits more. Exact to 2**-61; p = 0 and p = 1 draw nothing.
    ``purpose`` MASK is the hidden layers' while training; INPUT, UNIT and DROPCONNECT are those of
    other noise; MC is Monte-Carlo prediction's, where ``step`` is the sample.

    Raises:
        TypeError, ValueError: ``dropout`` is no probability; ``seed``, ``step`` or ``site`` no
            integer in [0, 2**64).
    """
    dropout = check_probability(dropout, "dropout")
    seed, step, site = (
        check_word(word, name) for word, name in ((seed, "seed"), (step, "step"), (site, "site"))
    )
    n = math.prod(shape)
    if dropout in (0, 1):
        return np.full(shape, dropout == 0)
    keep = np.empty(n, np.bool_)
    key = seed, purpose, step, site
    threshold, fraction = divmod(256 * dropout, 1)

    def draw(block: slice) -> npt.NDArray[np.intp]:
        """Decide a block; which elements are tied."""
        bits = _own.stream(*key, blocks=block.start // BYTES)
        tied = [np.empty(0, np.intp)]
        for part in parts(block, NEAR):
            drawn = _random_bytes(bits, part.stop - part.start, threaded=n >= LARGE)
            np.greater_equal(drawn, int(threshold), out=keep[part])
            if fraction > 0:
                tied.append(part.start + np.flatnonzero(drawn == int(threshold)))
        return np.concatenate(tied)

    tied = np.concatenate(in_blocks(draw, n, BYTES)) if n >= LARGE else draw(slice(0, n))
    if fraction > 0:
        blocks, words = divmod(-(-n // 8), BYTES // 8)  # drawn so far
        drawn = _own.stream(*key, blocks=blocks).random_raw(words + tied.size)[words:]
        keep[tied] = (drawn >> np.uint64(11)) * 2.0**-53 >= fraction
    return keep.reshape(shape)


def scaled(
    mask: npt.NDArray[np.bool_], kept: float, dtype: npt.DTypeLike
) -> npt.NDArray[np.floating[Any]]:
    """``mask / kept``, of ``dtype``, as numbers to multiply by."""
    numbers = aligned(mask.shape, dtype)
    scale = numbers.dtype.type(1) / numbers.dtype.type(kept)

    def fill(rows: slice | EllipsisType) -> None:
        np.copyto(numbers[rows], mask[rows])  # converts a whole array faster than divide does
        np.multiply(numbers[rows], scale, out=numbers[rows])

    by_rows(fill, mask.shape)
    return numbers


def _random_bytes(bits: np.random.Philox, n: int, *, threaded: bool) -> npt.NDArray[np.uint8]:
    """The stream's next n bytes, of whole words; the same whether ``threaded`` or not."""
    words = -(-n // 8)
    if threaded:  # random_raw, a little faster, holds the interpreter
        drawn = np.random.Generator(bits).integers(0, 2**64, words, np.uint64)
    else:
        drawn = bits.random_raw(words)
    # astype: a big-endian machine swaps, so that the bytes are the same everywhere.
    return drawn.astype("<u8", copy=False).view(np.uint8)[:n]


def normal_noise(
    shape: Sequence[int], *, seed: int, step: int = 0, site: int = 0
) -> npt.NDArray[np.float64]:
    """Draws from N(0, 1) for one step and site, float64 of ``shape``.

    Raises:
        TypeError, ValueError: ``seed``, ``step`` or ``site`` is no integer in [0, 2**64).
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
    """``params`` times (1 + 2**-52 N(0, 1)): as if each had suffered one rounding error."""
    moved = {}
    for index, (name, values) in enumerate(params.items()):
        bits = stream(seed, Purpose.NUDGE, a=nudge, b=index)
        noise = np.random.Generator(bits).standard_normal(values.shape)
        moved[name] = values * (1 + 2.0**-52 * noise).astype(values.dtype)
    return moved


def native_seed(seed: int, epoch: int) -> int:
    """A 31-bit seed for a framework's own generator, one an epoch so that a run can be resumed."""
    return int(stream(seed, Purpose.NATIVE, a=epoch).random_raw()) >> 33
