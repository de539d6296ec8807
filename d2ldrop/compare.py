"""The comparison: every backend runs the same recipe, one worker process after another.

What comes out is ``runs/<name>/summary.json`` beside the backends' folders.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import d2ldrop
from d2ldrop._checks import check_positive
from d2ldrop._registry import available_backends, backend_names, check_name
from d2ldrop._worker import save_arrays
from d2ldrop.agreement import NUM_NUDGES, Lockstep, largest_difference, yardstick
from d2ldrop.data import Dataset, load_data
from d2ldrop.recipe import Recipe
from d2ldrop.runs import FORMAT, RunFolder, dump_json, load_weights, write_bytes
from d2ldrop.training import device_name
from d2ldrop.workers import Event, WorkerFailedError, run_worker

REFERENCE = "numpy"
OnEvent = Callable[[str, Event], None]


def ignore(backend: str, event: Event) -> None:
    """What is done with a report if nobody wants it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle; ``summary`` holds what was finished."""

    def __init__(self, summary: dict[str, Any]) -> None:
        super().__init__()
        self.summary = summary


@dataclass(frozen=True)
class Workplace:
    """What all workers of a comparison share."""

    folder: Path
    recipe: Recipe
    data: Dataset
    device: str
    timeout: float
    pythons: Mapping[str, str]
    scratch: Path
    on_event: OnEvent

    def __post_init__(self) -> None:
        """Refuse a timeout that no clock can wait for."""
        if not 0 < self.timeout <= threading.TIMEOUT_MAX:
            raise ValueError(f"timeout must be a positive number of seconds, got {self.timeout}")

    def run(self, backend: str, *, log: Path, **job: Any) -> None:
        """Run one job of one backend; raise WorkerFailedError if it does not end well."""
        run_worker(
            {
                "backend": backend,
                "recipe": self.recipe.to_dict(),
                "data": str(self.scratch),
                "dataset": self.data.name,
                "device": self.device,
                **job,
            },
            lambda event: self.on_event(backend, event),
            log=log,
            timeout=self.timeout,
            python=self.pythons.get(backend, sys.executable),
        )


def compare_backends(
    backends: Sequence[str] | None = None,
    recipe: Recipe | None = None,
    *,
    data: Dataset | str = "auto",
    device: str = "cpu",
    name: str | None = None,
    out: Path | str = "runs",
    lockstep_steps: int = 100,
    timeout: float = 300,
    pythons: Mapping[str, str] | None = None,
    resume: bool = False,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Train the same recipe on several frameworks, each in a process of its own, one after another.

    Each first takes ``lockstep_steps`` steps in float64, and its weights are compared with
    NumPy's. In float64 with shared masks the weights after the whole run are compared too.

    Args:
        backends: their names; every installed one if not given.
        recipe: the hyper-parameters; the book's if not given.
        data: a Dataset, or what ``load_data`` takes.
        device: "cpu", "gpu" or "gpu:N".
        name: the folder under ``out``; the time if not given.
        out: where run folders are kept.
        lockstep_steps: how many steps the lockstep check takes.
        timeout: seconds without a report after which a worker counts as hung.
        pythons: for a backend its Python interpreter, if it lives in another environment.
        resume: go on with the run ``name``: keep what is finished, continue what was interrupted.
        on_event: called with a backend's name and each report of its worker.

    Returns:
        What ``summary.json`` holds (README, formats); ``ok`` is True if all ran and are in
        lockstep. A worker's failure is a row that says so, not an exception.

    Raises:
        ValueError, TypeError, ImportError, DataError: a bad argument, before any work is begun.
        FileExistsError: the run exists already, and ``resume`` is False.
        Interrupted: Ctrl-C; what was finished is kept and summed up.
    """
    recipe, pythons = recipe or Recipe(), pythons or {}
    device = device_name(device)
    check_positive(lockstep_steps, "lockstep_steps")
    folder = run_folder(out, name, resume=resume)
    names = check_backends([*_begun(folder), *(backends or ())], pythons)
    data = load_data(data) if isinstance(data, str) else data
    with laid_out(data) as scratch:
        place = Workplace(folder, recipe, data, device, timeout, pythons, scratch, on_event)
        _refuse_other_comparison(place)
        rows = {backend: {"status": "not run"} for backend in names}
        lockstep: list[Lockstep] = []
        problem = None
        try:
            try:
                lockstep = _measure_yardsticks(place, lockstep_steps)
            except (WorkerFailedError, OSError) as error:
                problem = f"NumPy's reference run failed: {error}"
            for backend in names:
                rows[backend] = {"status": "interrupted"}
                rows[backend] = _run_backend(place, backend, lockstep_steps, resume)
                for check in lockstep:
                    _compare_weights(place, backend, check, rows[backend]["status"])
        except KeyboardInterrupt:
            raise Interrupted(_write_summary(place, rows, lockstep, problem)) from None
        return _write_summary(place, rows, lockstep, problem)


def check_backends(names: Sequence[str] | None, pythons: Mapping[str, str]) -> list[str]:
    """The backends to run, each of them usable under its interpreter.

    Raises:
        ValueError: an unknown backend, or an interpreter that does not work.
        ModuleNotFoundError: a framework that is not installed.
    """
    names = list(dict.fromkeys(names)) if names else available_backends()
    for name in {*names, *pythons}:
        if name in pythons:
            _check_interpreter(name, pythons[name])
        else:
            check_name(name)
    if unused := pythons.keys() - names:
        raise ValueError(
            f"--python names {', '.join(unused)}, which is not among the backends to run"
        )
    return names


def _check_interpreter(backend: str, python: str) -> None:
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
            f"--python {backend}={python} cannot load d2ldrop there: {last[0]}; install it there"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"--python {backend}={python} does not run: {error}") from None
    if backend not in json.loads(answer.stdout.splitlines()[-1]):
        raise ValueError(
            f"--python {backend}={python} has no {backend} there: install it there, "
            f'for example with {python} -m pip install "d2ldrop[{backend}]"'
        )


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
            RunFolder(folder / backend).refuse_overwrite()
        if (folder / "summary.json").exists():
            raise FileExistsError(
                f"{folder} holds a comparison: --resume keeps what is there and goes on; "
                "another --name starts anew"
            )
    return folder


def _begun(folder: Path) -> list[str]:
    """The backends of the comparison in ``folder``, which is then resumed."""
    summary = folder / "summary.json"
    return list(json.loads(summary.read_text())["backends"]) if summary.exists() else []


def _refuse_other_comparison(place: Workplace) -> None:
    """Raise ValueError if the folder's comparison has another recipe or other data."""
    file = place.folder / "summary.json"
    if file.exists():
        summary = json.loads(file.read_text())
        given = {"recipe": place.recipe.to_dict(), "dataset_sha256": place.data.sha256}
        for key, value in given.items():
            if summary[key] != value:
                raise ValueError(
                    f"{place.folder} holds a comparison with {key} {summary[key]}, not {value}: "
                    "choose another --name, or give the same options"
                )


@contextmanager
def laid_out(data: Dataset) -> Iterator[Path]:
    """A temporary folder that holds ``data`` as workers read it."""
    with tempfile.TemporaryDirectory(prefix="d2ldrop-") as folder:
        save_arrays(data, Path(folder))
        yield Path(folder)


def _measure_yardsticks(place: Workplace, lockstep_steps: int) -> list[Lockstep]:
    """NumPy's own runs, nudged and not: the reference weights stay in the scratch folder."""
    checks = {"first steps": lockstep_steps}
    if place.recipe.dtype == "float64" and place.recipe.rng == "shared":
        batches = -(-len(place.data.train_images) // place.recipe.batch_size)
        checks["whole run"] = place.recipe.num_epochs * batches
    nudges = [None, *range(NUM_NUDGES)]
    place.run(
        REFERENCE,
        log=place.folder / "lockstep.log",
        task="lockstep",
        device="cpu",
        checks=[_check(place, "reference", n, k) for n in checks.values() for k in nudges],
    )
    measured = []
    for what, steps in checks.items():
        reference, *moved = (
            load_weights(_check(place, "reference", steps, nudge)["out"]) for nudge in nudges
        )
        measured.append(Lockstep(what, steps, yardstick(reference, moved), {}))
    return measured


def _check(place: Workplace, who: str, steps: int, nudge: int | None = None) -> dict[str, Any]:
    """A check of a worker's job: how many steps, from which initial weights, and where they end."""
    out = str(place.scratch / f"{who}-{steps}-{nudge}.safetensors")
    return {"steps": steps, "nudge": nudge, "out": out}


def _run_backend(
    place: Workplace, backend: str, lockstep_steps: int, resume: bool
) -> dict[str, Any]:
    """Lockstep check and run of one backend, each in a process of its own; its row."""
    folder = RunFolder(place.folder / backend)
    try:
        place.run(
            backend,
            log=folder.path / "worker.log",
            task="lockstep",
            checks=[_check(place, backend, lockstep_steps)],
        )
        place.run(
            backend,
            log=folder.path / "worker.log",
            task="train",
            folder=str(folder.path),
            resume=resume,
        )
        result = json.loads(folder.result.read_text())
    except (WorkerFailedError, OSError) as error:
        place.on_event(backend, {"event": "failed", "message": str(error)})
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


def _compare_weights(place: Workplace, backend: str, check: Lockstep, status: str) -> None:
    """Note how far the backend's weights are from NumPy's after the check's steps."""
    if check.what == "whole run":
        file = RunFolder(place.folder / backend).weights
    else:
        file = Path(_check(place, backend, check.steps)["out"])
    if file.exists() and status == "ok":
        reference = load_weights(_check(place, "reference", check.steps)["out"])
        check.differences[backend] = largest_difference(load_weights(file), reference)


def _write_summary(
    place: Workplace, rows: dict[str, Any], lockstep: list[Lockstep], problem: str | None
) -> dict[str, Any]:
    in_lockstep = bool(lockstep) and all(c.holds(backend) for c in lockstep for backend in rows)
    summary = {
        "format": FORMAT,
        "name": place.folder.name,
        "folder": str(place.folder),
        "d2ldrop_version": d2ldrop.__version__,
        "machine": {
            "platform": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "dataset": place.data.name,
        "dataset_sha256": place.data.sha256,
        "train_size": len(place.data.train_images),
        "test_size": len(place.data.test_images),
        "device": place.device,
        "recipe": place.recipe.to_dict(),
        "backends": rows,
        "lockstep": [
            {
                "what": check.what,
                "steps": check.steps,
                "yardstick": check.yardstick,
                "limit": check.limit,
                "difference": check.differences,
                "in_lockstep": {backend: check.holds(backend) for backend in rows},
            }
            for check in lockstep
        ],
        "problem": problem,
        "ok": in_lockstep and all(row["status"] == "ok" for row in rows.values()),
    }
    write_bytes(place.folder / "summary.json", dump_json(summary, indent=2).encode())
    return summary


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
