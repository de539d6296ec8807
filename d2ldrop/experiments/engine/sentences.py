"""Sentences that say no more than the numbers do."""

from __future__ import annotations

from d2ldrop.experiments.engine.experiment import Float64
from d2ldrop.experiments.engine.statistics import compare, number


def versus(
    what: str, values: Float64, other: str, baseline: Float64, quantity: str, unit: str = "points"
) -> str:
    """How two entries differ, and whether that is significant: a clause without a full stop.

    The p-value is of this comparison alone.
    """
    found = compare({what: values, other: baseline}, {what: other, other: other})[what]
    assert found.difference is not None
    assert found.difference.interval is not None
    test = "no spread to test" if found.p is None else f"p = {found.p:.2g}"
    mean, (low, high) = found.difference.mean, sorted(abs(x) for x in found.difference.interval)
    if not found.significant:
        return (
            f"{quantity} does not differ significantly between '{what}' and '{other}' "
            f"({found.difference} {unit}, {test})"
        )
    return (
        f"{quantity} is {number(abs(mean))} {unit} {'lower' if mean < 0 else 'higher'} for "
        f"'{what}' than for '{other}' "
        f"(95 % interval {number(low)} to {number(high)}, {test})"
    )


def best(entries: dict[str, Float64], baseline: str, quantity: str) -> str:
    """Which entries are significantly below the baseline, after Holm's correction."""
    compared = compare(entries, dict.fromkeys(entries, baseline))
    better: list[str] = []
    worse: list[str] = []
    for name, found in compared.items():
        if found.significant and found.difference:
            (better if found.difference.mean < 0 else worse).append(name)
    lowest = min(compared, key=lambda name: compared[name].estimate.mean)
    text = f"The lowest mean {quantity} is that of '{lowest}', {compared[lowest].estimate} %"
    rest = f"significantly better: {_list(better)}; significantly worse: {_list(worse)}"
    return f"{text}. Of {len(compared) - 1} compared with '{baseline}', {rest}."


def _list(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none of them"


def capital(text: str) -> str:
    """The first letter as a sentence begins."""
    return text[0].upper() + text[1:]
