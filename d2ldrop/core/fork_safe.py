"""A generator of random numbers that a forked process does not share with its parent.

``os.fork`` copies the memory, and with it the state of a generator. So forked workers, such as
those of ``multiprocessing`` on Linux, would all draw the same numbers.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt


class ForkSafeGenerator:
    """NumPy's default generator; each forked process continues with a stream of its own.

    The n-th fork after ``seed(s)`` always gets the same stream, so a program that seeds can be
    repeated. Make instances for a whole module only: the system's fork refers to them for ever.

    Attributes:
        random: ``numpy.random.Generator.random`` of the current stream.
    """

    random: Callable[..., npt.NDArray[Any]]

    def __init__(self) -> None:
        self._next = threading.local()  # two threads may fork at the same time
        self.seed(None)
        if hasattr(os, "register_at_fork"):  # Windows has no fork
            os.register_at_fork(before=self._prepare, after_in_child=self._switch)

    def seed(self, seed: int | None) -> None:
        """Start the stream of ``seed``, as ``numpy.random.default_rng(seed)`` does."""
        self._start(np.random.default_rng(seed))

    def _start(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self.random = generator.random  # an attribute, because a method would cost a call

    def _prepare(self) -> None:
        (self._next.generator,) = self._generator.spawn(1)

    def _switch(self) -> None:
        # A new generator also has a new lock: a thread may have held the old one during the fork.
        self._start(self._next.generator)
