"""Modules that installed packages register in a group of entry points.

A malformed entry point of one package must not hide those of the others.
"""

from __future__ import annotations

import functools
import re
import warnings
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points

MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
"""The full name of a module."""


@functools.cache
def modules_of(group: str) -> dict[str, EntryPoint]:
    """The entry points of ``group`` whose name and value are names of modules, by name.

    Another entry point is left out, with a warning that names its package.
    """
    usable = {}
    for entry in _read(group):
        if MODULE.fullmatch(entry.name) and MODULE.fullmatch(entry.value):
            usable[entry.name] = entry
        else:
            _warn(entry.dist, f"{entry.name!r} with the value {entry.value!r}, in {group}")
    return usable


def _read(group: str) -> list[EntryPoint]:
    try:
        return list(entry_points(group=group))
    except (ValueError, TypeError):  # the file of one package cannot be parsed
        found: list[EntryPoint] = []
        for distribution in distributions():
            try:
                mine = distribution.entry_points.select(group=group)
            except (ValueError, TypeError) as error:
                _warn(distribution, f"its entry_points.txt cannot be read: {error}")
            else:
                found = [*mine, *found]  # of two with the same name, the later one counts
        return found


def _warn(distribution: Distribution | None, what: str) -> None:
    name = distribution.name if distribution is not None else "unknown"
    warnings.warn(
        f"the package {name!r} has a malformed entry point, which is ignored: {what}; "
        "expected a line such as torch = d2ldrop_torch",
        stacklevel=4,
    )
