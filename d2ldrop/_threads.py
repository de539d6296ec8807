"""NumPy on all cores: large arrays in blocks, a thread each; small ones as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import EllipsisType
from typing import TypeVar

from d2ldrop.environment import cores

Result = TypeVar("Result")

LARGE = 2**21
"""Elements from which threads pay for themselves."""
NEAR = 2**18
"""Elements of float32 that fit into a core's own cache."""


def in_blocks(function: Callable[[slice], Result], n: int, multiple: int = 1) -> list[Result]:
    """What ``function`` returns for each block of range(n), in order: a block and a thread a core.

    Blocks begin at a multiple of ``multiple``. (With more and smaller ones the threads would wait
    for the interpreter longer than they gain.)
    """
    size = multiple * math.ceil(n / (cores() * multiple))
    blocks = [slice(i, min(i + size, n)) for i in range(0, n, size)]
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(function, blocks))


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
        for i in range(block.start, block.stop, rows):
            function(slice(i, min(i + rows, block.stop)))

    in_blocks(block_of_rows, shape[0])
