"""Read a folder of runs as far as possible, even if files are missing or damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ldrop.comparison.rows import row_of_run
from d2ldrop.core.files import DamagedFileError
from d2ldrop.page.results import ComparisonResults, TrainedRun, read_comparison, read_run
from d2ldrop.training.folder import RunFolder
from d2ldrop.training.markers import MARKERS

SUMMARY = MARKERS["comparison"]
SPEED_DTYPE = "float32"
"""The folder of the runs of a comparison that show speed and memory."""


class NothingToShowError(ValueError):
    """A folder has nothing that a page can show; the message names the files."""


def kind_of(folder: Path) -> str:
    """What a folder holds: "comparison", "experiment", "benchmark", or else "run".

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: give the folder of a run")
    return _marked(folder) or "run"


def _marked(folder: Path) -> str:
    """The kind of a folder, by the file that identifies it; empty without one."""
    return next((kind for kind, file in MARKERS.items() if (folder / file).exists()), "")


def read_runs(folder: Path) -> ComparisonResults:
    """A comparison, or the runs of a folder whose summary is missing or damaged.

    Raises:
        NothingToShowError: no file can be read; the message names them.
    """
    try:
        return read_comparison(folder)
    except FileNotFoundError:
        problems: list[str] = []
    except DamagedFileError as error:
        problems = [str(error)]
    runs = _runs_inside(folder, problems)
    speed = folder / SPEED_DTYPE
    speed_runs = _runs_inside(speed, problems) if speed.is_dir() else {}
    if not runs and not speed_runs:
        expected = f"{folder} holds no finished run: expected {', '.join(MARKERS.values())}, or a "
        expected += "folder with result.json, trace.npy and weights.safetensors"
        several = _folders_of_runs(folder)
        if several:
            expected = f"{folder} holds several runs: give one of them, such as {several[0]}"
        raise NothingToShowError("; ".join(problems) or expected)
    runs, speed_runs = (runs, speed_runs) if runs else (speed_runs, {})
    if not problems and _was_comparison(folder, runs):
        problems.append(f"{folder / SUMMARY} is missing: the lockstep checks are not shown")
    summary = _summary_of(folder, runs)
    for name in speed_runs.keys() - runs.keys():  # its lines need a row
        summary["backends"][name] = {"status": "failed", "error": "its run cannot be read"}
    return ComparisonResults(folder, summary, runs, speed_runs, tuple(problems))


def _folders_of_runs(folder: Path) -> list[Path]:
    """The folders inside that are comparisons, trainings and so on: the value of --out has them."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    return [path for path in inside if _marked(path) or any(path.glob("*/result.json"))]


def is_single(results: ComparisonResults) -> bool:
    """Whether the results are those of ``d2ldrop train``."""
    return not (results.folder / SUMMARY).exists() and not _was_comparison(
        results.folder, results.runs
    )


def _was_comparison(folder: Path, runs: dict[str, TrainedRun]) -> bool:
    return len(runs) > 1 or (folder / "lockstep.log").exists()


def _runs_inside(folder: Path, problems: list[str]) -> dict[str, TrainedRun]:
    """The runs in a folder, or the run that it is itself."""
    runs = {}
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not _marked(path))
    for path in (folder, *inside):
        one = RunFolder(path)
        if not one.result.exists():
            if one.checkpoint.exists():
                problems.append(f"{path} holds an interrupted run: --resume continues it")
            elif one.weights.exists() or one.trace.exists():
                problems.append(f"{one.result} is missing")
            continue
        try:
            run = read_run(one, path.name)
        except (OSError, ValueError) as error:
            problems.append(str(error))
        else:
            runs[_variant(run)] = run
    return runs


def _variant(run: TrainedRun) -> str:
    """The name of the run's variant, such as "torch-concise"."""
    concise = run.result.get("implementation") == "concise"
    return f"{run.result['backend']}{'-concise' if concise else ''}"


def _summary_of(folder: Path, runs: dict[str, TrainedRun]) -> dict[str, Any]:
    """What a summary would say about the runs, without checks."""
    first = next(iter(runs.values())).result
    copied = ("recipe", "device", "dataset", "dataset_sha256", "train_size", "test_size")
    shared = ("machine", "numpy_version", "d2ldrop_version")
    return {
        "name": folder.name,
        "folder": str(folder),
        **{name: first[name] for name in copied},
        **{name: first.get(name) for name in shared},
        "backends": {name: row_of_run(run.result) for name, run in runs.items()},
        "lockstep": [],
        "problem": None,
    }
