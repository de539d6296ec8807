"""A stopwatch."""

from __future__ import annotations

import itertools
import time

__all__ = ["Timer"]


class Timer:
    """A stopwatch that runs as soon as it is made; ``times`` lists its times in seconds.

    >>> timer = Timer()
    >>> seconds = timer.stop()
    >>> timer.start()
    >>> seconds += timer.stop()
    >>> len(timer.times), timer.sum() == seconds
    (2, True)

    Source: *Dive into Deep Learning*, section 3.1.
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """Start a new time."""
        self.tik = time.perf_counter()  # unlike time.time(), it never runs backwards

    def stop(self) -> float:
        """Add the seconds since the last ``start`` to ``times``; return them."""
        self.times.append(time.perf_counter() - self.tik)
        return self.times[-1]

    def avg(self) -> float:
        """Return the mean time in seconds.

        Raises:
            ValueError: there is no time yet.
        """
        if not self.times:
            raise ValueError("avg needs at least one time: call stop first")
        return self.sum() / len(self.times)

    def sum(self) -> float:
        """Return the sum of all times in seconds."""
        return sum(self.times)

    def cumsum(self) -> list[float]:
        """Return the sum up to each time, in seconds."""
        return list(itertools.accumulate(self.times))
