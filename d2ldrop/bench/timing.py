"""Timing in turn: every contender runs once per round, so a slow phase affects all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

Timings = dict[str, list[float]]
"""The seconds of each contender, one value per round."""


def seconds(function: Callable[[], object], repeat: int = 1) -> float:
    """Return the wall-clock seconds of one call, averaged over ``repeat`` calls."""
    start = time.perf_counter()
    for _ in range(repeat):
        function()
    return (time.perf_counter() - start) / repeat


def in_turn(
    contenders: Mapping[str, Callable[[], float]],
    rounds: int,
    on_round: Callable[[int], None] = lambda _: None,
) -> Timings:
    """Return the seconds of each contender in each round, after one round of warm-up.

    The order is A B C A B C …. A contender returns its own seconds, so it can exclude work from
    the timing. ``on_round`` is called with the number of each round; the warm-up is 0.
    """
    timings: Timings = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            took = contender()
            if number > 0:
                timings[name].append(took)
        on_round(number)
    return timings


def repeats(function: Callable[[], object], at_least: float = 0.1) -> int:
    """Return how many calls of ``function`` take ``at_least`` seconds together."""
    function()
    return max(1, round(at_least / seconds(function)))


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def ratios(numerator: list[float], denominator: list[float]) -> list[float]:
    """Return the ratio of the two values of each round."""
    return [a / b for a, b in zip(numerator, denominator, strict=True)]
