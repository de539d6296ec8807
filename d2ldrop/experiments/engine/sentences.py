"""Sentences about results that claim no more than the numbers show."""

from __future__ import annotations

from d2ldrop.experiments.engine.results import Float64
from d2ldrop.experiments.engine.statistics import compare_entries, number


def versus(
    what: str, values: Float64, other: str, baseline: Float64, quantity: str, unit: str = " points"
) -> str:
    """Return a clause about the difference of two entries (seeds,), without a full stop.

    The difference is ``values`` minus ``baseline``. The p-value is that of this comparison alone.
    ``unit`` follows each number; it starts with a space.
    """
    entries = compare_entries({what: values, other: baseline}, {what: other, other: other})
    compared = entries[what]
    assert compared.difference is not None
    assert compared.difference.interval is not None
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

    Lower is better. Differences count as significant after Holm's correction.
    """
    compared = compare_entries(entries, dict.fromkeys(entries, baseline))
    better: list[str] = []
    worse: list[str] = []
    for name, entry in compared.items():
        if entry.significant and entry.difference:
            (better if entry.difference.mean < 0 else worse).append(name)
    lowest = min(compared, key=lambda name: compared[name].estimate.mean)
    text = f"The lowest mean {quantity} is that of '{lowest}', {compared[lowest].estimate} %"
    rest = f"significantly better: {_list(better)}; significantly worse: {_list(worse)}"
    return f"{text}. Of {len(compared) - 1} compared with '{baseline}', {rest}."


def _list(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none of them"


def capital(text: str) -> str:
    """Return ``text`` with a capital first letter."""
    return text[0].upper() + text[1:]
