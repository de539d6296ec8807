"""Run a benchmark with one worker per framework, one after another. The results are JSON."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from d2ldrop.bench.measure import BenchmarkJob
from d2ldrop.bench.startup import time_startup
from d2ldrop.core.checks import check_integer
from d2ldrop.core.machine import machine
from d2ldrop.data import Dataset, DataSource, as_dataset
from d2ldrop.processes.launcher import Event, WorkerFailedError, run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.shared_data import SharedData, shared_data
from d2ldrop.training.folder import NamedFolder
from d2ldrop.version import __version__

KINDS = ("layer", "train", "startup", "growth")
OnBenchmarkEvent = Callable[[str, Event], None]
"""Called with a backend's name and a report of its worker."""


def run_benchmark(
    kind: str,
    backends: Sequence[str] | None = None,
    data: Dataset | DataSource | str = "auto",
    *,
    rounds: int = 5,
    options: WorkerOptions | None = None,
    out: Path | str = "runs",
    name: str | None = None,
    on_event: OnBenchmarkEvent = lambda _name, _event: None,
) -> dict[str, Any]:
    """Run a benchmark on several frameworks and write ``bench.json``.

    Args:
        kind: "train" times an epoch of training, "layer" ``dropout_layer``, "startup" the start of
            processes, and "growth" the cost of an image by batch size, width and dtype.
        backends: names; if not given, all usable backends.
        data: the images; they are loaded after all arguments are checked.
        rounds: the number of timings per contender, 1 to 1,000.
        options: the settings of the workers.
        out: the folder of all runs.
        name: the folder under ``out``; the current time if not given.
        on_event: called with each report of a worker.

    Returns:
        The content of ``bench.json``. If a framework fails, its entry contains "error".

    Raises:
        ValueError, TypeError, ImportError, DataError: a bad argument; nothing was measured.
        FileExistsError: the folder already contains results.
        FolderInUseError: another process works in the folder.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    rounds = check_integer(rounds, "rounds", "a number of rounds from 1 to 1,000", 1, 1000)
    options = WorkerOptions() if options is None else options
    names = options.choose_backends(backends)
    source = DataSource(data) if isinstance(data, str) else data
    with NamedFolder.claim("benchmark", out, name) as folder:
        dataset = as_dataset(source)
        results: dict[str, dict[str, Any]] = {}
        with shared_data(dataset) as shared:
            for backend in names:
                log = folder.backend(backend).log
                try:
                    figures = _measure(kind, backend, shared, rounds, options, log, on_event)
                    results[backend] = figures
                except (WorkerFailedError, OSError, subprocess.CalledProcessError) as error:
                    on_event(backend, {"event": "failed", "message": str(error)})
                    results[backend] = {"error": str(error)}
        summary = {
            "kind": kind,
            "d2ldrop_version": __version__,
            "machine": machine(),
            "rounds": rounds,
            "dataset": dataset.name,
            "train_size": len(dataset.train_images),
            "folder": str(folder.path),
            "backends": results,
        }
        return folder.write(summary)


def _measure(
    kind: str,
    backend: str,
    shared: SharedData,
    rounds: int,
    options: WorkerOptions,
    log: Path,
    on_event: OnBenchmarkEvent,
) -> dict[str, Any]:
    """Return the figures of one framework."""
    if kind == "startup":
        python, environment = options.python(backend), options.environment(backend)
        return {"timings": time_startup(backend, python, environment, rounds)}
    figures: dict[str, Any] = {}

    def hear(event: Event) -> None:
        if event["event"] == "figures":
            figures.update({key: value for key, value in event.items() if key != "event"})
        else:
            on_event(backend, event)

    run_job(BenchmarkJob(backend, kind, rounds, shared), options, hear, log=log)
    return figures
