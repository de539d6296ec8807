"""The comparison: every backend runs the same recipe, one worker process after another.

What comes out is ``runs/<name>/summary.json`` beside the backends' folders.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import d2ldrop
from d2ldrop.backend import backend_names, install_hint, is_installed
from d2ldrop.comparison.agreement import Lockstep
from d2ldrop.comparison.lockstep import (
    Check,
    difference,
    plan_checks,
    take_first_steps,
    take_reference_steps,
)
from d2ldrop.comparison.workplace import OnRowEvent, Row, Workplace, laid_out
from d2ldrop.core.checks import check_positive
from d2ldrop.core.devices import device_name
from d2ldrop.core.recipe import Recipe
from d2ldrop.data.dataset import Dataset, load_data
from d2ldrop.processes.environment import check_execution, check_threads, machine
from d2ldrop.processes.interpreters import Pythons, check_backends
from d2ldrop.processes.launcher import Event, WorkerFailedError
from d2ldrop.training.folder import FORMAT, RunFolder, dump_json, write_bytes
from d2ldrop.training.implementations import IMPLEMENTATIONS, recipe_for
from d2ldrop.training.layer_statistics import check_record

ROWS_OF = {"scratch": ("scratch",), "concise": ("concise",), "both": ("scratch", "concise")}
"""What ``implementation`` may be, and which rows a backend then has."""


def ignore(backend: str, event: Event) -> None:
    """What is done with a report if nobody wants it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle; ``summary`` holds what was finished."""

    def __init__(self, summary: dict[str, Any]) -> None:
        super().__init__()
        self.summary = summary


@dataclass
class Comparison:
    """What a comparison has found so far."""

    place: Workplace
    record: tuple[str, ...]
    rows: dict[Row, dict[str, Any]]
    left_out: dict[str, str]
    lockstep: list[Lockstep] = field(default_factory=list)
    problem: str | None = None


def compare_backends(
    backends: Sequence[str] | None = None,
    recipe: Recipe | None = None,
    *,
    implementation: str | None = None,
    data: Dataset | str = "auto",
    device: str = "cpu",
    name: str | None = None,
    out: Path | str = "runs",
    lockstep_steps: int = 100,
    timeout: float = 300,
    pythons: Pythons | None = None,
    resume: bool = False,
    record: Sequence[str] = (),
    threads: int | None = None,
    execution: str = "default",
    on_event: OnRowEvent = ignore,
) -> dict[str, Any]:
    """Train the same recipe on several frameworks, each in a process of its own, one after another.

    Each first takes ``lockstep_steps`` steps in float64, and its weights are compared with
    NumPy's. In float64 with shared masks the weights after the whole run are compared too. Concise
    versions draw masks of their own and are compared without noise.

    Args:
        backends: their names; if not given, every one that is installed or in ``pythons``.
        recipe: the hyper-parameters; the book's if not given.
        implementation: "scratch" (the default), "concise" (as in ``train``) or "both", two rows a
            backend.
        data: a Dataset, or what ``load_data`` takes.
        device: "cpu", "gpu" or "gpu:N".
        name: the folder under ``out``; the time if not given.
        out: where run folders are kept.
        lockstep_steps: how many steps the lockstep check takes.
        timeout: seconds without a report after which a worker counts as hung.
        pythons: for a backend its Python interpreter, if it lives in another environment.
        resume: go on with the run ``name``: keep what is finished, continue what was interrupted,
            and take in what ``backends`` or ``implementation`` add.
        record: what each run records beside its metrics, as in ``train``.
        threads: threads of each framework's pools; if not given, those in which it is fast (see
            ``d2ldrop.processes.environment``), and what the user has set stays.
        execution: "default", or "fast" where a framework has it.
        on_event: called with a row's name, "torch" or "torch-concise", and each report of its
            worker.

    Returns:
        What ``summary.json`` holds (README, formats); ``ok`` is True if all ran and are in
        lockstep. A worker's failure is a row that says so, not an exception.

    Raises:
        ValueError, TypeError, ImportError, DataError: a bad argument, before any work is begun.
        FileExistsError: the run exists already, and ``resume`` is False.
        Interrupted: Ctrl-C; what was finished is kept and summed up.
    """
    recipe, pythons = recipe or Recipe(), pythons or {}
    device, record = device_name(device), check_record(record)
    check_positive(lockstep_steps, "lockstep_steps")
    check_threads(threads)
    folder = run_folder(out, name, resume=resume)
    rows = plan_rows(folder, backends, recipe, implementation, pythons)
    for row in rows:
        check_execution(row.backend, execution)
    data = load_data(data) if isinstance(data, str) else data
    with laid_out(data) as scratch:
        place = Workplace(
            folder, recipe, data, device, timeout, pythons, scratch, on_event, threads, execution
        )
        _refuse_other_comparison(place, record)
        begun = {row: {"status": "not run"} for row in rows}
        left_out = {} if backends else _left_out(rows)
        comparison = Comparison(place, record, begun, left_out)
        whole = recipe.num_epochs * -(-len(data.train_images) // recipe.batch_size)
        checks = plan_checks(recipe, rows, lockstep_steps, whole)
        try:
            try:
                comparison.lockstep = take_reference_steps(place, checks)
            except (WorkerFailedError, OSError) as error:
                comparison.problem = f"NumPy's reference run failed: {error}"
            for row in rows:
                comparison.rows[row] = {"status": "interrupted"}
                comparison.rows[row] = _run_row(place, row, checks, resume, record)
                if comparison.rows[row]["status"] == "ok":
                    for check, measured in zip(checks, comparison.lockstep, strict=False):
                        if row in check.rows:
                            trained = RunFolder(folder / row.name).weights
                            measured.differences[row.name] = difference(place, row, check, trained)
        except KeyboardInterrupt:
            raise Interrupted(_write_summary(comparison)) from None
        return _write_summary(comparison)


def plan_rows(
    folder: Path,
    backends: Sequence[str] | None,
    recipe: Recipe,
    implementation: str | None,
    pythons: Pythons,
) -> list[Row]:
    """The rows of a comparison: those begun in ``folder``, and what is asked for now.

    Raises:
        ValueError, ImportError: as ``check_backends``; no such implementation, or one that cannot
            do what the recipe asks for.
    """
    if implementation not in (None, *ROWS_OF):
        raise ValueError(
            f"implementation must be one of {', '.join(ROWS_OF)}, got {implementation!r}"
        )
    begun = _begun(folder)
    usable = check_backends([*(row.backend for row in begun), *(backends or ())], pythons)
    if begun and not backends and not implementation:
        return begun
    kinds = ROWS_OF[implementation or "scratch"]
    rows = [Row(name, kind) for name in dict.fromkeys(backends or usable) for kind in kinds]
    for row in rows:
        recipe_for(row.backend, recipe, row.implementation)
    return list(dict.fromkeys([*begun, *rows]))


def _left_out(rows: Sequence[Row]) -> dict[str, str]:
    """The backends that are missing here, and how to install each."""
    taken = {row.backend for row in rows}
    missing = [name for name in backend_names() if name not in taken and not is_installed(name)]
    return {name: install_hint(name) for name in missing}


def run_folder(out: Path | str, name: str | None, *, resume: bool) -> Path:
    """``out/name``, or ``out/<time>``; refused if it would overwrite a comparison.

    Raises:
        ValueError: ``name`` is no plain folder name, or ``resume`` without a run of that name.
        FileExistsError: there is a comparison already, and ``resume`` is False.
    """
    if name is None:
        if resume:
            raise ValueError("--resume needs the --name of the run to go on with")
        name = time.strftime("%Y%m%d-%H%M%S")
    if name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"name must be a plain folder name, got {name!r}")
    folder = Path(out) / name
    if resume and not folder.is_dir():
        raise ValueError(f"--resume: there is no run {folder}")
    if not resume:
        for backend in backend_names():
            for kind in IMPLEMENTATIONS:
                RunFolder(folder / Row(backend, kind).name).refuse_overwrite()
        if (folder / "summary.json").exists():
            raise FileExistsError(
                f"{folder} holds a comparison: --resume keeps what is there and goes on; "
                "another --name starts anew"
            )
    return folder


def _begun(folder: Path) -> list[Row]:
    """The rows of the comparison in ``folder``, which is then resumed."""
    summary = folder / "summary.json"
    if not summary.exists():
        return []
    return [Row.named(name) for name in json.loads(summary.read_text())["backends"]]


def _refuse_other_comparison(place: Workplace, record: tuple[str, ...]) -> None:
    """Raise ValueError if the folder's comparison has another recipe, record or other data."""
    file = place.folder / "summary.json"
    if file.exists():
        summary = json.loads(file.read_text())
        summary["recipe"] = Recipe(**summary["recipe"]).to_dict()  # a field it lacks: the default
        given = {
            "recipe": place.recipe.to_dict(),
            "record": list(record),
            "dataset_sha256": place.data.sha256,
        }
        for key, value in given.items():
            kept = summary.get(key, [])
            if kept != value:
                raise ValueError(
                    f"{place.folder} holds a comparison with {key} {kept}, not {value}: "
                    "choose another --name, or give the same options"
                )


def _run_row(
    place: Workplace, row: Row, checks: Sequence[Check], resume: bool, record: Sequence[str]
) -> dict[str, Any]:
    """Lockstep checks and run of one row, each in a process of its own; what the summary says."""
    folder = RunFolder(place.folder / row.name)
    log = folder.path / "worker.log"
    try:
        take_first_steps(place, row, checks, log)
        place.run(
            row,
            log=log,
            task="train",
            folder=str(folder.path),
            resume=resume,
            record=list(record),
        )
        result = json.loads(folder.result.read_text())
    except (WorkerFailedError, OSError) as error:
        place.on_event(row.name, {"event": "failed", "message": str(error)})
        return {"status": "failed", "error": str(error)}
    last = result["epochs"][-1]
    return {
        "status": "ok",
        "framework_version": result["framework_version"],
        "seconds_per_epoch": statistics.median(e["seconds"] for e in result["epochs"]),
        "train_loss": last["train_loss"],
        "train_accuracy": last["train_accuracy"],
        "test_accuracy": last["test_accuracy"],
        "peak_rss_bytes": result["peak_rss_bytes"],
    }


def _write_summary(comparison: Comparison) -> dict[str, Any]:
    place, lockstep = comparison.place, comparison.lockstep
    rows = {row.name: values for row, values in comparison.rows.items()}
    in_lockstep = bool(lockstep) and all(c.holds(row) for c in lockstep for row in c.rows)
    summary = {
        "format": FORMAT,
        "name": place.folder.name,
        "folder": str(place.folder),
        "d2ldrop_version": d2ldrop.__version__,
        "machine": machine(),
        "dataset": place.data.name,
        "dataset_sha256": place.data.sha256,
        "train_size": len(place.data.train_images),
        "test_size": len(place.data.test_images),
        "device": place.device,
        "recipe": place.recipe.to_dict(),
        "record": list(comparison.record),
        "backends": rows,
        "left_out": comparison.left_out,
        "lockstep": [
            {
                "what": check.what,
                "steps": check.steps,
                "yardstick": check.yardstick,
                "limit": check.limit,
                "difference": check.differences,
                "in_lockstep": {row: check.holds(row) for row in check.rows},
            }
            for check in lockstep
        ],
        "problem": comparison.problem,
        "ok": in_lockstep and all(row["status"] == "ok" for row in rows.values()),
    }
    write_bytes(place.folder / "summary.json", dump_json(summary, indent=2).encode())
    return summary
