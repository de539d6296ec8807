"""Python interpreters of other environments, for frameworks that this environment lacks."""

from __future__ import annotations

import functools
import json
import os
import queue
from collections.abc import Mapping, Sequence
from pathlib import Path

from d2ldrop.backend import available_backends, backend_names, check_name, install_hint
from d2ldrop.processes.child import Child
from d2ldrop.processes.worker_log import plain

Pythons = Mapping[str, str]
"""For each backend in another environment: the path of its Python interpreter."""
ANSWER = "d2ldrop's backends: "
SECONDS_TO_ANSWER = 60
LARGEST_ANSWER = 100_000
"""Bytes of the output's end that are read."""


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
    code = f"import d2ldrop, json; print({ANSWER!r} + json.dumps(d2ldrop.available_backends()))"
    try:
        status, printed = _run(python, code)
    except (OSError, TimeoutError) as error:
        raise ValueError(f"{_named(backend, python)} does not run: {error}") from None
    lines = printed.strip().splitlines()
    if status:
        last = plain(lines[-1]) if lines else f"exit status {status}"
        raise ValueError(f"{_named(backend, python)} cannot load d2ldrop: {last}; install it there")
    answers = [line.removeprefix(ANSWER) for line in lines if line.startswith(ANSWER)]
    try:
        return frozenset(json.loads(answers[-1]))
    except (IndexError, ValueError, TypeError):
        raise ValueError(
            f"{_named(backend, python)} is not a Python interpreter: it printed "
            f"{printed.strip()[:80]!r}"
        ) from None


def _run(python: str, code: str) -> tuple[int, str]:
    """The exit status of ``python -c code``, and the end of what it prints.

    Raises:
        OSError: it cannot be started.
        TimeoutError: it does not end in time.
    """
    child = Child([python, "-c", code], {**os.environ, "PYTHONSAFEPATH": "1"})
    printed = bytearray()

    def keep(chunk: bytes) -> None:
        printed.extend(chunk)
        del printed[:-LARGEST_ANSWER]

    try:
        lines = child.listen(keep)
        while lines.get(timeout=SECONDS_TO_ANSWER) is not None:
            pass  # None: it has ended
    except queue.Empty:
        raise TimeoutError(f"it did not answer within {SECONDS_TO_ANSWER} s") from None
    finally:
        child.end()
    return child.process.returncode, printed.decode(errors="replace")


def _named(backend: str, python: str) -> str:
    return f"the interpreter of {backend}, {python} (--python),"
