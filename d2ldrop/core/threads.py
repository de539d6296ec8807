"""NumPy on all cores: large arrays in blocks, a thread each; small ones as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import EllipsisType
from typing import TypeVar

from d2ldrop.core.machine import cores

Result = TypeVar("Result")

LARGE = 2**21
"""Elements from which threads pay for themselves."""
NEAR = 2**20
"""Elements to go over at a time, for they stay in a core's own cache until the next pass."""


def in_blocks(function: Callable[[slice], Result], n: int, multiple: int = 1) -> list[Result]:
    """What ``function`` returns for each block of range(n), in order: a block and a thread a core.

    Blocks begin at a multiple of ``multiple``. The calling thread takes the first one itself; the
    others are new each time, for the system puts threads that it wakes onto one core, at times.
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
    """Call ``function`` with the rows of an array of ``shape``: all, ``...``, or some at a time.

    As few as a core keeps near it while ``function`` goes over them more than once.
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
