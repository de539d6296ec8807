"""What a comparison's folder holds, for the page and its pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.training.folder import NamedFolder, RunFolder


@dataclass(frozen=True)
class TrainedRun:
    """One finished run of a comparison.

    Attributes:
        name: the variant: "torch" or "torch-concise".
        folder: the run's folder.
        result: the content of its ``result.json``.
        losses: the loss of every step in nats, (steps,).
        weights: W1 (784, h1), b1 (h1,), W2 (h1, h2), b2 (h2,), W3 (h2, 10), b3 (10,).
    """

    name: str
    folder: RunFolder
    result: dict[str, Any]
    losses: npt.NDArray[np.float64]
    weights: dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ComparisonResults:
    """A comparison, as far as its folder can be read.

    Attributes:
        folder: the folder.
        summary: the content of its ``summary.json``.
        runs: the finished runs by name; in the main job they are in float64.
        speed_runs: the runs in float32 that show speed and memory; only the main job has them.
        problems: a sentence for each run that cannot be read.
    """

    folder: Path
    summary: dict[str, Any]
    runs: dict[str, TrainedRun]
    speed_runs: dict[str, TrainedRun]
    problems: tuple[str, ...]


def read_comparison(path: Path | str) -> ComparisonResults:
    """Read a comparison's folder.

    Raises:
        FileNotFoundError: there is no ``summary.json``.
        DamagedFileError: it is damaged, or a newer version wrote it.
    """
    folder = NamedFolder(Path(path), "comparison")
    summary = folder.read()
    if summary is None:
        raise FileNotFoundError(f"{folder.path} holds no comparison: summary.json is missing")
    summary = {**summary, "device": summary.get("device") or "cpu"}  # format 1 may lack it
    summary.setdefault("problem", None)
    problems: list[str] = []
    runs = _read_runs(folder.path, _finished(summary["backends"]), problems)
    speed = summary.get("speed") or {"dtype": "float32", "backends": {}}
    inside = folder.path / speed["dtype"]
    speed_runs = _read_runs(inside, _finished(speed["backends"]), problems)
    return ComparisonResults(folder.path, summary, runs, speed_runs, tuple(problems))


def _finished(rows: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, row in rows.items() if row["status"] == "ok"]


def _read_runs(path: Path, names: Iterable[str], problems: list[str]) -> dict[str, TrainedRun]:
    """The runs that can be read; a sentence about each other one is added to ``problems``."""
    runs = {}
    for name in names:
        folder = RunFolder(path / name)
        try:
            runs[name] = read_run(folder, name)
        except (OSError, ValueError) as error:
            problems.append(f"{folder.path} cannot be read: {error}")
    return runs


def read_run(folder: RunFolder, name: str) -> TrainedRun:
    """Read a finished run, and check all its files.

    Raises:
        FileNotFoundError: the run is not finished.
        DamagedFileError: a file is damaged, missing, or a newer version wrote it.
    """
    result, saved = folder.read_result(), folder.read()
    assert saved is not None  # read_result has found it
    return TrainedRun(name, folder, result, saved.trace, saved.weights)
