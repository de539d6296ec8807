"""Timing in turn: every contender once a round, so that a drift of the machine meets them all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

Timings = dict[str, list[float]]


def seconds(function: Callable[[], object], repeat: int = 1) -> float:
    """Wall-clock seconds of one call, averaged over ``repeat`` calls."""
    start = time.perf_counter()
    for _ in range(repeat):
        function()
    return (time.perf_counter() - start) / repeat


def in_turn(
    contenders: Mapping[str, Callable[[], float]],
    rounds: int,
    on_round: Callable[[int], None] = lambda _: None,
) -> Timings:
    """Seconds of each contender in each round, A B C A B C …; one more round first warms up.

    A contender returns the seconds it took, so that it can leave out what is not to be timed.
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
    """How often to call ``function`` so that it takes ``at_least`` seconds in all."""
    function()
    return max(1, round(at_least / seconds(function)))


def spread(values: list[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def ratios(numerator: list[float], denominator: list[float]) -> list[float]:
    """The ratio of each round's pair."""
    return [a / b for a, b in zip(numerator, denominator, strict=True)]
