"""Sentences about results that claim no more than the numbers show."""

from __future__ import annotations

import math

import numpy as np

from d2ldrop.experiments.engine.results import Float64, Results
from d2ldrop.experiments.engine.statistics import compare_entries, number


def versus(
    what: str, values: Float64, other: str, baseline: Float64, quantity: str, unit: str = " points"
) -> str:
    """Return a clause about the difference of two entries (seeds,), without a full stop.

    The difference is ``values`` minus ``baseline``. The p-value is that of this comparison alone.
    ``unit`` follows each number; it starts with a space. With fewer than two seeds whose values are
    both finite, the clause says that there are too few.
    """
    entries = compare_entries({what: values, other: baseline}, {what: other, other: other})
    compared = entries[what]
    assert compared.difference is not None
    if compared.difference.interval is None:
        finite = int(np.isfinite(values - baseline).sum())
        return (
            f"{quantity} cannot be compared between '{what}' and '{other}': too few runs are "
            f"finite ({finite} of {len(values)} seeds, and a comparison needs 2)"
        )
    test = "no spread to test" if compared.p is None else f"p = {compared.p:.2g}"
    mean, (low, high) = compared.difference.mean, sorted(map(abs, compared.difference.interval))
    if not compared.significant:
        return (
            f"{quantity} does not differ significantly between '{what}' and '{other}' "
            f"({compared.difference}{unit}, {test})"
        )
    return (
        f"{quantity} is {number(abs(mean))}{unit} {'lower' if mean < 0 else 'higher'} for "
        f"'{what}' than for '{other}' "
        f"(95 % interval {number(low)} to {number(high)}, {test})"
    )


def best(entries: dict[str, Float64], baseline: str, quantity: str) -> str:
    """Return sentences about the lowest entry, and those that differ from the baseline.

    Lower is better. Differences count as significant after Holm's correction. Entries with too few
    finite runs are named, too.
    """
    compared = compare_entries(entries, dict.fromkeys(entries, baseline))
    better: list[str] = []
    worse: list[str] = []
    for name, entry in compared.items():
        if entry.significant and entry.difference:
            (better if entry.difference.mean < 0 else worse).append(name)
    means = {
        name: entry.estimate.mean
        for name, entry in compared.items()
        if not math.isnan(entry.estimate.mean)
    }
    if not means:
        return f"There is no lowest mean {quantity}: no run is finite."
    lowest = min(means, key=means.__getitem__)
    text = f"The lowest mean {quantity} is that of '{lowest}', {compared[lowest].estimate} %"
    rest = f"significantly better: {_list(better)}; significantly worse: {_list(worse)}"
    too_few = [
        name
        for name, entry in compared.items()
        if entry.difference is not None and entry.difference.interval is None
    ]
    if too_few:
        rest += f"; too few finite runs to compare: {_list(too_few)}"
    return f"{text}. Of {len(compared) - 1} compared with '{baseline}', {rest}."


def left_out(results: Results) -> str:
    """Return a sentence about the runs that diverged, or nothing if none did."""
    counts = {name: int(results.diverged(name).sum()) for name in results.names}
    n = len(results.seeds)
    arms = ", ".join(f"'{name}' {count} of {n}" for name, count in counts.items() if count)
    if not arms:
        return ""
    return (
        f"{sum(counts.values())} of {n * len(counts)} runs diverged (a loss, a weight or a "
        f"measurement is not finite) and are left out of means, tests and figures: {arms}."
    )


def _list(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none of them"


def capital(text: str) -> str:
    """Return ``text`` with a capital first letter."""
    return text[0].upper() + text[1:]
