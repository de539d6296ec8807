"""Reports: what a worker tells its parent, one JSON object per line.

A worker may have another version of d2ldrop, or be no d2ldrop at all. So the parent checks what it
reads.
"""

from __future__ import annotations

import json
from typing import Any

Event = dict[str, Any]
"""A report of a worker: its values, and its name under the key "event"."""
Types = tuple[type, ...]

NUMBER: Types = (int, float)
NUMBER_OR_NAN: Types = (*NUMBER, type(None))  # JSON has no NaN: it is null
FIELDS: dict[str, dict[str, Types]] = {
    "step": {"phase": (str,), "done": (int,), "total": (int,)},
    "epoch": {
        "epoch": (int,),
        "train_loss": NUMBER_OR_NAN,
        "train_accuracy": NUMBER_OR_NAN,
        "test_accuracy": NUMBER_OR_NAN,
        "seconds": NUMBER,
    },
    "probe": {"version": (str,), "devices": (list,)},
    "evaluation": {"loss": NUMBER_OR_NAN, "accuracy": NUMBER},
    "measured": {"measured": (list,), "framework_version": (str,)},
    "error": {"message": (str,)},
    "failed": {"message": (str,)},
    "warning": {"message": (str,)},
    "done": {},
}
"""The fields that the parent reads, and their types. Other fields and events are not checked."""


def parse_report(line: bytes) -> Event:
    """The report in a line.

    Raises:
        ValueError: it is no report, or lacks a field that the parent reads.
    """
    try:
        event: Event = json.loads(line)
        fields = {"event": (str,), **FIELDS.get(event["event"], {})}
        if all(_fits(event[name], types) for name, types in fields.items()):
            return event
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise ValueError(f"not a report: {line[:80]!r}")


def _fits(value: object, types: Types) -> bool:
    # A larger integer cannot be shown: it may not even become a float.
    return type(value) in types and (not isinstance(value, int) or abs(value) < 2**63)
