"""Python interpreters of other environments, for frameworks that this environment lacks."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from d2ldrop.backend import available_backends, backend_names, check_name, install_hint

Pythons = Mapping[str, str]
"""For each backend in another environment: the path of its Python interpreter."""


def parse_pythons(items: Sequence[str]) -> dict[str, str]:
    """Parse items such as "mxnet=/path/to/python"; "~" is the home folder.

    Raises:
        ValueError: an item is not BACKEND=PATH, or a backend is given two interpreters.
    """
    pythons: dict[str, str] = {}
    for item in items:
        backend, equals, path = item.partition("=")
        if not (backend and equals and path):
            raise ValueError(f"--python must be BACKEND=PATH, got {item!r}")
        if backend in pythons:
            raise ValueError(f"--python names {backend} twice: give each backend one interpreter")
        pythons[backend] = str(Path(path).expanduser())
    return pythons


def usable_backends(pythons: Pythons) -> list[str]:
    """The backends whose framework is installed here, and those that have an interpreter."""
    usable = {*available_backends(), *pythons}
    known = [name for name in backend_names() if name in usable]
    return known + sorted(usable - set(known))


def check_backends(names: Sequence[str] | None, pythons: Pythons) -> list[str]:
    """``names`` without repeats, or all usable backends if ``names`` is empty; check each one.

    Raises:
        TypeError: ``names`` is a string.
        ValueError: an unknown backend, an interpreter that does not work, or one for a backend that
            is not among ``names``.
        ModuleNotFoundError: a framework that is not installed.
    """
    if isinstance(names, str):
        raise TypeError(f"backends must be a sequence of names, got {names!r}: [{names!r}] is one")
    names = list(dict.fromkeys(names)) if names else usable_backends(pythons)
    if unused := pythons.keys() - names:
        for name in unused - set(backend_names()):
            check_name(name)
        raise ValueError(
            f"pythons (--python) names {', '.join(sorted(unused))}, which is not among the "
            f"backends to run: {', '.join(names)}"
        )
    for name in names:
        check_usable(name, pythons)
    return names


def check_usable(name: str, pythons: Pythons) -> None:
    """Raise unless the backend ``name`` can be used, here or under its interpreter.

    Raises:
        ValueError: no such backend, or an interpreter that does not work.
        ModuleNotFoundError: its framework is not installed.
    """
    if name not in pythons:
        check_name(name)
        return
    there = _backends_of(name, pythons[name])
    if name not in there:
        if name not in backend_names():
            check_name(name)
        raise ValueError(
            f"{_named(name, pythons[name])} cannot find {name}: install it there, "
            f"{pythons[name]} -m {install_hint(name)}"
        )


@functools.cache
def _backends_of(backend: str, python: str) -> frozenset[str]:
    """The backends whose framework the interpreter has."""
    code = "import d2ldrop, json; print(json.dumps(d2ldrop.available_backends()))"
    try:
        answer = subprocess.run(
            [python, "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:] or [f"exit status {error.returncode}"]
        raise ValueError(
            f"{_named(backend, python)} cannot load d2ldrop: {last[0]}; install it there"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"{_named(backend, python)} does not run: {error}") from None
    lines = answer.stdout.splitlines()
    try:
        return frozenset(json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        raise ValueError(
            f"{_named(backend, python)} is not a Python interpreter: it printed "
            f"{answer.stdout.strip()[:80]!r}"
        ) from None


def _named(backend: str, python: str) -> str:
    return f"the interpreter of {backend}, {python} (--python),"
