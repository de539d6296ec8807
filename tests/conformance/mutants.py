"""Copies of the NumPy backend, each with one fault, which the conformance suite must find.

A fault is a list of replacements in the source of the backend, of its layers (the concise version)
or of a compiled module, which NumPy itself does not have. ``python -m tests.conformance.mutants``
writes the table of docs/conformance-faults.md; with names of faults, only their rows.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from d2ldrop import frameworks, layer, loaded
from d2ldrop.backend import GROUP
from d2ldrop.entry_points import modules_of
from tests.conformance import faults
from tests.conformance.faults import COMPILED, Mutant
from tests.conformance.more_faults import BAD_MODULES, OTHERS

BACKENDS = Path(__file__).parents[2] / "backends"
TABLE = Path(__file__).parents[2] / "docs" / "conformance-faults.md"
HONEST = Mutant()
MUTANTS = {**faults.MUTANTS, **BAD_MODULES, **OTHERS}


@dataclass(frozen=True)
class Found:
    """The first check that a mutant fails: its id, its place and its message."""

    check: str
    place: str
    message: str


def mutated(source: str, changes: tuple[tuple[str, str], ...]) -> str:
    """The source with each replacement.

    Raises:
        ValueError: a text to replace does not occur exactly once.
    """
    for old, new in changes:
        if source.count(old) != 1:
            raise ValueError(f"expected one {old!r} in the source, got {source.count(old)}")
        source = source.replace(old, new)
    return source


@contextmanager
def installed(mutant: Mutant, name: str, folder: Path) -> Iterator[None]:
    """The mutant as a backend with that name; its modules are files in ``folder``."""
    backend, layers, compiled = (f"{name}_backend{end}" for end in ("", "_layers", "_compiled"))
    source = mutated((BACKENDS / "d2ldrop_numpy.py").read_text(), mutant.backend)
    sources = {
        # Seeded: a check that draws before it seeds finds the same in every run.
        backend: source.replace("d2ldrop_numpy_layers", layers) + "\n\nmanual_seed(0)\n",
        layers: mutated((BACKENDS / "d2ldrop_numpy_layers.py").read_text(), mutant.layers),
        compiled: mutated(COMPILED, mutant.compiled).replace("BACKEND", backend),
    }
    for module, text in sources.items():
        (folder / f"{module}.py").write_text(text)
    facts: Any = frameworks.frameworks()
    groups = {GROUP: backend, "d2ldrop.compiled": compiled}
    sys.path.insert(0, str(folder))
    sys.modules[name] = ModuleType(name)
    importlib.invalidate_caches()
    for group, module in groups.items():
        modules_of(group)[name] = EntryPoint(name, module, group)
    facts[name] = replace(facts["numpy"], package="numpy")
    try:
        yield
    finally:
        del facts[name]
        for group in groups:
            del modules_of(group)[name]
        for module in (name, *sources):
            sys.modules.pop(module, None)
        sys.path.remove(str(folder))
        loaded.__dict__.pop(name, None)
        layer._framework_of_type.clear()  # arrays of NumPy were the mutant's


def judge(mutant: Mutant, name: str, folder: Path) -> Found | None:
    """Run the suite on a mutant, in this process; None: it passed.

    It ends at the first failure.
    """
    report = folder / f"{name}.json"
    (folder / "pytest.ini").write_text("[pytest]\n")
    arguments = ["--pyargs", "d2ldrop.conformance", "--d2ldrop-backend", name, "--maxfail=1"]
    quiet = [
        "-q",
        "--assert=plain",
        "--noconftest",
        "--capture=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-W",
        "ignore",
    ]
    place = ["-c", str(folder / "pytest.ini"), "--d2ldrop-json", str(report)]
    out = StringIO()
    with installed(mutant, name, folder), redirect_stdout(out):
        status = pytest.main([*arguments, *quiet, *place])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise AssertionError(f"pytest ended with {status}:\n{out.getvalue()}")
    levels = json.loads(report.read_text())["levels"]
    for check in (check for level in levels for check in level["checks"]):
        if check["outcome"] == "failed":
            return Found(check["id"], check["place"], check["message"])
    assert status == pytest.ExitCode.OK, out.getvalue()
    return None


def row(fault: str, found: Found) -> str:
    """A row of the table."""
    message = found.message.replace("|", "\\|").replace(str(Path.home()), "~")
    return f"| {fault} | `{found.check}` | {message} |"


def comparable(line: str) -> str:
    """A row without its numbers, in which machines and versions may differ."""
    return re.sub(r"[-+]?\d[\d.e+-]*|nan|inf", "#", line)


def rows() -> dict[str, str]:
    """The rows of the table, by fault."""
    found = re.findall(r"^(\| (.+?) \| `.*)$", TABLE.read_text("utf-8"), re.MULTILINE)
    return {fault: line for line, fault in found}


def main(faults: Sequence[str]) -> None:
    """Write the rows of these faults, or all rows."""
    os.environ.setdefault("XDG_CACHE_HOME", tempfile.mkdtemp())
    lines = rows()
    for fault in faults or MUTANTS:
        with tempfile.TemporaryDirectory() as folder:
            found = judge(MUTANTS[fault], f"mutant{list(MUTANTS).index(fault)}", Path(folder))
        if found is None:
            raise SystemExit(f"the suite passes a backend with the fault {fault!r}")
        lines[fault] = row(fault, found)
        print(lines[fault], flush=True)
    head, rule, rest = TABLE.read_text("utf-8").partition("|---|---|---|\n")
    table = "\n".join(lines[fault] for fault in MUTANTS if fault in lines)
    TABLE.write_text(f"{head}{rule}{table}\n\n" + rest.partition("\n\n")[2], "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
