"""Inside a worker process: one job of one backend, told on stdin, reported in JSON lines.

The other side is ``workers``. Reports have a pipe of their own, for frameworks print on stdout. A
worker holds one framework and does what the job says: train, take the steps of lockstep checks,
evaluate, or tell what the framework is.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from d2ldrop.backend import get_backend
from d2ldrop.core.arrays import Weights
from d2ldrop.core.randomness import initial_weights, nudged
from d2ldrop.core.recipe import Recipe
from d2ldrop.data.fashion_mnist import Dataset
from d2ldrop.training.folder import dump_json, load_weights
from d2ldrop.training.loop import EpochResult, evaluate, train, weights_after

Emit = Callable[..., None]
SECONDS_BETWEEN_REPORTS = 0.1


def main() -> None:
    """Do the job on stdin; exit 0 if it went well, 1 after an error, which is reported too."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # a child of the framework must not hold it open
    reports = os.fdopen(descriptor, "w", encoding="utf-8")

    def emit(event: str, **values: Any) -> None:
        print(dump_json({"event": event, **values}), file=reports, flush=True)

    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        find_task(job["task"])(job, emit)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear it
        traceback.print_exc()
        emit("error", message=f"{type(error).__name__}: {error}")
        sys.exit(1)


def _end_with_parent() -> None:
    """The parent keeps stdin open as long as it lives, however it dies."""
    sys.stdin.read()
    os._exit(1)


def probe(job: dict[str, Any], emit: Emit) -> None:
    """Import the framework; report its version and devices."""
    backend = get_backend(job["backend"])
    version = getattr(sys.modules[job["backend"]], "__version__", "unknown")
    emit("probe", version=str(version), devices=backend.devices())


def take_lockstep_steps(job: dict[str, Any], emit: Emit) -> None:
    """Take each check's steps, from initial weights nudged or not; save the weights."""
    data = load_arrays(job)
    report = _reporter(emit, "lockstep")
    before, total = 0, sum(check["steps"] for check in job["checks"])
    for check in job["checks"]:
        recipe = Recipe(**check["recipe"])
        weights: Weights = initial_weights(recipe.seed, recipe.sizes, recipe.dtype)
        if check["nudge"] is not None:
            weights = nudged(weights, recipe.seed, check["nudge"])
        weights = weights_after(
            job["backend"],
            weights,
            recipe,
            data,
            check["steps"],
            implementation=check["implementation"],
            device=job["device"],
            on_step=lambda done, _, before=before: report(before + done, total),  # type: ignore[misc]
        )
        before += check["steps"]
        save_file(dict(weights), check["out"])


def train_into_folder(job: dict[str, Any], emit: Emit) -> None:
    """The run itself, into its folder."""

    def on_epoch(result: EpochResult) -> None:
        emit("epoch", **asdict(result))

    train(
        job["backend"],
        Recipe(**job["recipe"]),
        implementation=job["implementation"],
        data=load_arrays(job),
        device=job["device"],
        folder=job["folder"],
        resume=job["resume"],
        record=job["record"],
        on_step=_reporter(emit, "train"),
        on_epoch=on_epoch,
    )


def evaluate_weights(job: dict[str, Any], emit: Emit) -> None:
    """Report loss and accuracy of saved weights."""
    loss, accuracy = evaluate(
        load_weights(job["weights"]), job["backend"], load_arrays(job), device=job["device"]
    )
    emit("evaluation", loss=loss, accuracy=accuracy)


TASKS: dict[str, Callable[[dict[str, Any], Emit], None]] = {
    "probe": probe,
    "lockstep": take_lockstep_steps,
    "train": train_into_folder,
    "evaluate": evaluate_weights,
}


def find_task(name: str) -> Callable[[dict[str, Any], Emit], None]:
    """One of ``TASKS``, or "module:function" for one that lives elsewhere, such as a benchmark."""
    if name in TASKS:
        return TASKS[name]
    module, _, function = name.partition(":")
    task: Callable[[dict[str, Any], Emit], None] = getattr(import_module(module), function)
    return task


def save_arrays(data: Dataset, folder: Path) -> None:
    """Lay the dataset out for workers: read and verified once, the same bytes for all."""
    for index, array in enumerate(data.arrays):
        np.save(folder / f"{index}.npy", array)


def load_arrays(job: dict[str, Any]) -> Dataset:
    """The dataset that the parent has laid out."""
    folder = Path(job["data"])
    return Dataset(job["dataset"], *(np.load(folder / f"{i}.npy", mmap_mode="r") for i in range(4)))


def _reporter(emit: Emit, phase: str) -> Callable[[int, int], None]:
    """A callback that reports the first step, the last, and a few a second of those between."""
    last = 0.0

    def on_step(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last >= SECONDS_BETWEEN_REPORTS:
            last = now
            emit("step", phase=phase, done=done, total=total)

    return on_step


if __name__ == "__main__":
    main()
