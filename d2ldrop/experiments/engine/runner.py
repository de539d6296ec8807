"""Runs an experiment: executes the jobs without a result in its folder, and collects the results.

Each finished run has its own file, so an experiment that was killed can be continued.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from d2ldrop.core.checks import check_positive
from d2ldrop.core.machine import cores
from d2ldrop.experiments import Results
from d2ldrop.experiments.engine.executor import dask_cluster, local_threads
from d2ldrop.experiments.engine.job_files import finished_jobs, keep
from d2ldrop.experiments.engine.plan import Key, Plan
from d2ldrop.processes.scratch import remove_partial_files

OnEpochs = Callable[[int, int], None]
"""Called with the number of finished epochs and the number of all epochs."""


def run_experiment(
    plan: Plan,
    *,
    num_jobs: int | None = None,
    dask: str | None = None,
    on_epochs: OnEpochs | None = None,
) -> tuple[Results, dict[Key, str]]:
    """Run the jobs of ``plan`` whose results are not yet in its folder, or are damaged.

    Args:
        plan: the experiment; the results of its runs are kept in ``jobs`` of its folder.
        num_jobs: the number of jobs at the same time on this machine; the number of cores if not
            given.
        dask: the address of a dask.distributed scheduler that runs the jobs instead.
        on_epochs: called after each finished epoch.

    Returns:
        The results of the seeds for which all runs succeeded, and the error of each failed run.

    Raises:
        TypeError, ValueError: ``num_jobs`` is not a positive integer.
        ModuleNotFoundError: ``dask`` is given, and distributed is not installed.
        ConnectionError: no scheduler answers, or it has no workers.

    Warns:
        RunAgainWarning: the file of a finished run is damaged, so the run is done again.
    """
    num_jobs = cores() if num_jobs is None else check_positive(num_jobs, "jobs")
    planned = plan.jobs()
    files = {key: job.file_name for key, job in planned.items()}
    jobs = {job.file_name: job for job in planned.values()}  # equal arms share a run
    folder = plan.folder.path / "jobs"
    found = finished_jobs(folder, jobs)
    waiting = [job for name, job in jobs.items() if name not in found]
    epochs = sum(job.recipe.num_epochs for job in jobs.values())
    counter = _EpochCounter(
        epochs - sum(job.recipe.num_epochs for job in waiting), epochs, on_epochs
    )
    errors: dict[str, str] = {}
    executor = (
        local_threads(num_jobs, plan.options, counter.add)
        if dask is None
        else dask_cluster(dask, plan.options, counter.add)
    )
    with executor as execute:
        remove_partial_files(plan.folder.path / "jobs")
        plan.folder.write(plan.to_dict())  # only now: a scheduler may not answer
        for job, result in execute(waiting):
            error = keep(job, result, folder)
            if error is None:
                found[job.file_name] = result
            else:
                errors[job.file_name] = error
    failed = {key: errors[file] for key, file in files.items() if file in errors}
    seeds = [seed for seed in plan.seeds if seed not in {seed for _, seed in failed}]
    runs: dict[Key, dict[str, Any]] = {
        key: found[file] for key, file in files.items() if key[1] in seeds
    }
    return Results(plan.arms, seeds, runs), failed


class _EpochCounter:
    """Counts finished epochs; several threads may add to it."""

    def __init__(self, done: int, total: int, on_epochs: OnEpochs | None) -> None:
        self.done, self.total, self.on_epochs = done, total, on_epochs
        self._lock = threading.Lock()
        if on_epochs and done:
            on_epochs(done, total)

    def add(self, epochs: int) -> None:
        with self._lock:
            self.done += epochs
            if self.on_epochs:
                self.on_epochs(self.done, self.total)
