"""What a run folder says about the run: recipe, versions, machine, data and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from d2ldrop.comparison.table import data_title
from d2ldrop.frameworks import title
from d2ldrop.page.results import TrainedRun

MOST_FILES = 200
"""More files are counted, not listed."""


@dataclass(frozen=True)
class Fact:
    """A line of a list: the key of its name in the words, or the name itself, and its value."""

    name: str
    value: str


@dataclass(frozen=True)
class File:
    """A file of the folder: its path in the folder, its address for a link, and its size."""

    path: str
    address: str
    size: str


@dataclass(frozen=True)
class Files:
    """The files of a folder; ``more`` is the number of those that are not listed."""

    listed: list[File]
    more: int


def recipe_facts(recipe: Mapping[str, Any]) -> list[Fact]:
    """The hyper-parameters, with the names that the command line gives them."""
    return [Fact(name.replace("_", " "), _text(value)) for name, value in recipe.items()]


def data_facts(content: Mapping[str, Any]) -> list[Fact]:
    """The dataset, its sizes and its SHA-256, as far as they are recorded."""
    facts = []
    if content.get("dataset"):
        sized = all(content.get(name) is not None for name in ("train_size", "test_size"))
        name = data_title(dict(content)) if sized else content["dataset"]
        facts.append(Fact("fact_dataset", name))
    if content.get("dataset_sha256"):
        facts.append(Fact("fact_sha256", content["dataset_sha256"]))
    return facts


def machine_facts(content: Mapping[str, Any]) -> list[Fact]:
    """The machine, the versions that all runs share, and the settings of the workers."""
    machine = content.get("machine") or {}
    names = {
        "fact_processor": machine.get("processor"),
        "fact_cores": machine.get("cores"),
        "fact_platform": machine.get("platform"),
        "fact_python": machine.get("python"),
        "fact_numpy": content.get("numpy_version"),
        "fact_d2ldrop": content.get("d2ldrop_version"),
        "fact_device": content.get("device"),
        "fact_threads": content.get("threads"),
        "fact_execution": content.get("execution"),
    }
    return [Fact(name, _text(value)) for name, value in names.items() if value is not None]


def version_facts(runs: Mapping[str, TrainedRun]) -> list[Fact]:
    """The framework's version of each run, and where it ran."""
    facts = []
    for name, run in runs.items():
        result = run.result
        parts = [str(result["framework_version"]), str(result["device"])]
        if result.get("python_version"):
            parts.append(f"Python {result['python_version']}")
        parts += [f"{key}={value}" for key, value in (result.get("environment") or {}).items()]
        facts.append(Fact(title(name), ", ".join(parts)))
    return facts


def files_of(folder: Path, leave_out: frozenset[str]) -> Files:
    """The files of a folder, those of its root first; hidden ones are left out.

    Args:
        folder: the folder.
        leave_out: names of files that are not listed.
    """
    paths = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in leave_out and not _hidden(path, folder)
    ]
    paths.sort(key=lambda path: (len(path.relative_to(folder).parts) > 1, str(path)))
    return Files([_file(path, folder) for path in paths[:MOST_FILES]], len(paths[MOST_FILES:]))


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _file(path: Path, folder: Path) -> File:
    inside = path.relative_to(folder).as_posix()
    # "./" first: a name with a colon would be an address of another kind.
    return File(inside, f"./{quote(inside)}", size_text(path.stat().st_size))


def size_text(size: int) -> str:
    """A number of bytes with its unit.

    >>> size_text(999), size_text(12_300), size_text(2_500_000)
    ('999 B', '12 kB', '2.5 MB')
    """
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e3:.0f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
