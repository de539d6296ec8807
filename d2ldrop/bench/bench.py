"""The benchmarks' driver: one worker a framework, one after another, and what came out as JSON."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import d2ldrop
from d2ldrop.bench.measure import BenchmarkJob
from d2ldrop.bench.timing import in_turn, seconds
from d2ldrop.core.files import dump_json, write_bytes
from d2ldrop.data import Dataset
from d2ldrop.processes.launcher import Event, WorkerFailedError, run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.shared_data import shared_data
from d2ldrop.training.folder import NamedFolder


def run_benchmark(
    kind: str,
    backends: Sequence[str],
    data: Dataset,
    *,
    rounds: int,
    folder: Path,
    on_event: Callable[[str, Event], None],
    options: WorkerOptions,
) -> dict[str, Any]:
    """Measure one ``kind``, and write ``bench.json`` into ``folder``; what it holds.

    A framework that fails is a row that says so.
    """
    rows: dict[str, dict[str, Any]] = {}
    with shared_data(data) as shared:
        figures: dict[str, Any] = {}

        def hear(name: str, event: Event) -> None:
            if event["event"] == "figures":
                figures.update(event)
            else:
                on_event(name, event)

        for backend in backends:
            figures.clear()
            log = folder / backend / "worker.log"
            try:
                if kind == "startup":
                    environment = options.environment(backend)
                    python = options.python(backend)
                    figures["timings"] = startup(backend, environment, rounds, python)
                else:
                    job = BenchmarkJob(backend, kind, shared, rounds)
                    run_job(job, options, partial(hear, backend), log=log)
            except (WorkerFailedError, subprocess.CalledProcessError) as error:
                on_event(backend, {"event": "failed", "message": str(error)})
                figures = {"error": str(error)}
            rows[backend] = {key: value for key, value in figures.items() if key != "event"}
    summary = {
        "kind": kind,
        "d2ldrop_version": d2ldrop.__version__,
        "rounds": rounds,
        "dataset": data.name,
        "train_size": len(data.train_images),
        "folder": str(folder),
        "backends": rows,
    }
    write_bytes(folder / "bench.json", dump_json(summary, indent=2).encode())
    return summary


def plan(
    backends: Sequence[str],
    rounds: int,
    out: str,
    name: str | None,
    options: WorkerOptions,
) -> tuple[list[str], Path]:
    """The backends to measure and the folder to write to.

    Raises:
        ValueError, TypeError, ImportError, FileExistsError: a bad argument; nothing was begun.
    """
    if not 1 <= rounds <= 1000:
        raise ValueError(f"rounds must be a number of rounds from 1 to 1,000, got {rounds}")
    names = options.choose_backends(backends)
    return names, NamedFolder.claim("benchmark", out, name).path


def startup(
    backend: str, environment: dict[str, str], rounds: int, python: str = sys.executable
) -> dict[str, list[float]]:
    """Whole processes: Python alone, ``import d2ldrop``, the framework, and its backend."""

    def process(code: str) -> Callable[[], float]:
        command = [python, "-c", code]
        return lambda: seconds(
            lambda: subprocess.run(
                command, check=True, capture_output=True, env={**os.environ, **environment}
            )
        )

    framework = f"import {backend}"
    if backend == "mxnet":  # it needs names that NumPy has removed
        framework = (
            f"from d2ldrop.core.imports import mxnet_import\nwith mxnet_import(): {framework}"
        )
    return in_turn(
        {
            "python": process("pass"),
            "import d2ldrop": process("import d2ldrop"),
            f"import {backend}": process(framework),
            "get_backend": process(f"import d2ldrop; d2ldrop.get_backend({backend!r})"),
        },
        rounds,
    )
