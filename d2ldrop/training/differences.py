"""Is it the same run? The first setting in which a folder differs from what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from d2ldrop.core.recipe import Recipe

OPTIONS = {
    name: f"--{name.replace('_', '-')}"
    for name in (
        *(field.name for field in fields(Recipe)),
        *("dataset", "train_size", "test_size", "backend", "device", "record", "threads"),
        *("execution", "on_divergence"),
    )
} | {"implementation": "--impl"}
"""The options of the command line that set what folders hold."""


class OtherRunError(ValueError):
    """The folder holds another run, comparison or experiment than the one asked for."""


def first_difference(
    kept: Mapping[str, Any], asked: Mapping[str, Any]
) -> tuple[str, Any, Any] | None:
    """The first field of ``asked`` that differs in ``kept``: its name and both values.

    Fields of a nested mapping are compared one by one. A field that ``kept`` lacks is not
    compared: an older version wrote ``kept``, or the value is unknown.
    """
    for name, value in asked.items():
        if name not in kept:
            continue
        if isinstance(value, Mapping) and isinstance(kept[name], Mapping):
            found = first_difference(kept[name], value)
            if found is not None:
                return found
        elif kept[name] != value:
            return name, kept[name], value
    return None


def refuse_difference(
    path: Path, kind: str, kept: Mapping[str, Any], asked: Mapping[str, Any]
) -> None:
    """Raise OtherRunError if ``asked`` differs from ``kept``; the message names the first field.

    Args:
        path: the folder, for the message.
        kind: what it holds, as in ``NamedFolder``.
        kept: the settings in the folder.
        asked: the settings asked for now.
    """
    found = first_difference(kept, asked)
    if found is not None:
        name, (old, new) = found[0], map(_words, found[1:])
        raise OtherRunError(
            f"{path} holds {with_article(kind)} with {_with_option(name)} {old}, not {new}: "
            "choose another folder (--name), or give the same options"
        )


def _with_option(name: str) -> str:
    """The name of a setting, with its option on the command line if it has one."""
    if name in OPTIONS:
        return f"{name} ({OPTIONS[name]})"
    return name


def _words(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value)) or None
    return "unset" if value is None else str(value)


def with_article(kind: str) -> str:
    """``kind`` with its article: "a run", "an experiment"."""
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
