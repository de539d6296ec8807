"""The verdict on a comparison, in a few sentences of both languages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from d2ldrop.comparison.lockstep import REFERENCE, WHOLE_RUN
from d2ldrop.comparison.table import or_nan
from d2ldrop.frameworks import title


@dataclass(frozen=True)
class Line:
    """One sentence.

    Attributes:
        state: "good", "bad" or "unknown", the class of its element.
        key: the key of its text.
        values: the values of the text's fields.
    """

    state: str
    key: str
    values: dict[str, str] = field(default_factory=dict)


def verdict(summary: dict[str, Any]) -> list[Line]:
    """Whether the rows are in lockstep, and which of them did not run."""
    states: dict[str, list[str]] = {}
    for name, row in summary["backends"].items():
        states.setdefault(row["status"], []).append(name)
    lines = _lockstep(summary["lockstep"], summary.get("diverged_unlike_numpy", []))
    for status, names in states.items():
        if status != "ok":
            failed = status == "failed"
            key = "verdict_failed" if failed else "verdict_not_finished"
            lines.append(Line("bad" if failed else "unknown", key, {"names": _titles(names)}))
    return lines


def _lockstep(checks: list[dict[str, Any]], unlike: list[str]) -> list[Line]:
    """The sentences about the checks; ``unlike`` are rows that diverged unlike NumPy's training."""
    apart = dict.fromkeys(unlike) | {
        name: None
        for check in checks
        for name, good in check["in_lockstep"].items()
        if name in check["difference"] and not good
    }
    if apart:
        return [Line("bad", "verdict_apart", {"names": _titles(apart)})]
    if not checks:
        return [Line("unknown", "verdict_unknown")]
    # The longest training says most. A concise version has a check of its own, without noise.
    lines = []
    for noiseless in (False, True):
        alike = [check for check in checks if ("without noise" in check["what"]) == noiseless]
        if alike:
            lines.append(_together(max(alike, key=_weight)))
    return lines


def _weight(check: dict[str, Any]) -> tuple[bool, bool, int]:
    """What a check says, for sorting: more if it compares anything, and if it is longer."""
    return len(check["difference"]) > 1, check["what"] == WHOLE_RUN, check["steps"]


def _together(check: dict[str, Any]) -> Line:
    """The sentence about a check whose rows are all in lockstep."""
    others = [name for name in check["difference"] if name != REFERENCE.name]
    if not others:
        return Line("unknown", "verdict_alone")
    if check.get("numpy_diverged_after") is not None:
        return Line("good", "verdict_diverged", {"names": _titles(others)})
    largest = max((or_nan(check["difference"][name]) for name in others), default=math.nan)
    values = {
        "names": _titles(others),
        "steps": f"{check['steps']:,}",
        "difference": f"{largest:.1e}",
    }
    return Line("good", "verdict_lockstep", values)


def _titles(names: Iterable[str]) -> str:
    return ", ".join(title(name) for name in names)
