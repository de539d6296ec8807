"""One run of an experiment: trained and measured in a worker process, wherever that is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from d2ldrop.core.recipe import Recipe
from d2ldrop.data import load_data
from d2ldrop.experiments import find_experiment
from d2ldrop.processes import launcher
from d2ldrop.processes.jobs import Emit
from d2ldrop.processes.jobs import Job as WorkerJob
from d2ldrop.processes.launcher import WorkerFailedError
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.training.loop import begin_run, train_epochs

Job = dict[str, Any]


@dataclass(frozen=True)
class ExperimentJob(WorkerJob):
    """Train one arm for one seed, and measure."""

    values: Job

    def run(self, emit: Emit) -> None:
        """Train and measure."""
        train_and_measure(self.values, emit)


def run_job(job: Job, on_epoch: Callable[[], None] | None = None) -> tuple[Job, dict[str, Any]]:
    """The job again, and what its run measured, or ``{"error": …}``; a process of its own.

    One thread for each: the numbers do not depend on how many jobs run at a time.
    """
    measured: dict[str, Any] = {}

    def on_event(event: dict[str, Any]) -> None:
        if event.pop("event") == "epoch":
            if on_epoch:
                on_epoch()
        else:
            measured.update(event)

    with tempfile.TemporaryDirectory(prefix="d2ldrop-") as folder:
        try:
            pythons = {job["backend"]: job["python"]} if job["python"] else {}
            launcher.run_job(
                ExperimentJob(job["backend"], job),
                WorkerOptions(threads=1, timeout=job["timeout"], pythons=pythons),
                on_event,
                log=Path(folder) / "worker.log",
            )
        except (WorkerFailedError, OSError) as error:
            return job, {"error": str(error)}
    return job, measured


def train_and_measure(job: Job, emit: Emit) -> None:
    """In the worker: train the job's arm for its seed, and measure."""
    experiment = find_experiment(job["experiment"])
    data = load_data(**job["data"])
    if data.sha256 != job["dataset_sha256"]:
        raise ValueError(f"the data here are not those of the experiment: got {data.name}")
    recipe = Recipe(**job["recipe"])
    module, run, data = begin_run(job["backend"], recipe, data=data)
    measured = []
    for result in train_epochs(module, run, data):
        if experiment.each_epoch or result.epoch == recipe.num_epochs:
            extra = experiment.measure(run, data) if experiment.measure else {}
            error = 100 * (1 - result.test_accuracy)
            measured.append({"test_error": error, "train_loss": result.train_loss, **extra})
        emit("epoch", **asdict(result))
    emit("measured", measured=measured, framework_version=run.framework_version)
