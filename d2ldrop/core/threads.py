"""Run NumPy on all cores: split a large array into blocks, one thread per block."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import EllipsisType
from typing import TypeVar

from d2ldrop.core.machine import cores

Result = TypeVar("Result")

LARGE = 2**21
"""Number of elements from which threads are faster than one call."""
NEAR = 2**20
"""Elements per part. A part stays in the core's own cache from one pass to the next."""


def in_blocks(function: Callable[[slice], Result], n: int, multiple: int = 1) -> list[Result]:
    """Call ``function`` for each block of range(n); return the results in order.

    There is one block and one thread per core. Blocks begin at a multiple of ``multiple``. The
    calling thread takes the first block. The other threads are new in each call, because the
    system sometimes wakes several existing threads on the same core.
    """
    size = multiple * math.ceil(n / (cores() * multiple))
    first, *others = parts(slice(0, n), size)
    if not others:
        return [function(first)]
    with ThreadPoolExecutor(len(others)) as pool:
        results = pool.map(function, others)
        return [function(first), *results]


def parts(block: slice, size: int) -> list[slice]:
    """``block`` cut into parts of ``size``; the last may be smaller."""
    return [slice(i, min(i + size, block.stop)) for i in range(block.start, block.stop, size)]


def by_rows(function: Callable[[slice | EllipsisType], object], shape: Sequence[int]) -> None:
    """Call ``function`` with an index of rows: ``...`` for a small array, slices for a large one.

    A slice has about NEAR elements. They stay in the core's cache while ``function`` passes over
    them several times.
    """
    n = math.prod(shape)
    if n < LARGE:
        function(...)
        return
    rows = max(1, NEAR * shape[0] // n)

    def block_of_rows(block: slice) -> None:
        for part in parts(block, rows):
            function(part)

    in_blocks(block_of_rows, shape[0])
