"""Running an experiment's jobs: on this machine's cores or on a cluster, and again after a kill.

joblib does both. A finished run is a file; what is there is not run again. Which executor ran a job
makes no difference to its numbers.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib

from d2ldrop.core.files import dump_json, write_bytes
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset
from d2ldrop.experiments import Arm, Results, Setting, find_experiment
from d2ldrop.experiments.engine.job import Job, run_job
from d2ldrop.processes.interpreters import Pythons, check_backends, usable_backends
from d2ldrop.training.folder import NamedFolder

PATIENCE = 5
"""Seconds to wait for a scheduler, and again for its first worker."""
OnEpochs = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """All that decides what an experiment's runs give."""

    experiment: str
    backend: str
    recipe: Recipe
    seeds: list[int]
    data: Dataset
    data_dir: str | None = None
    timeout: float = 300
    pythons: Pythons = field(default_factory=dict)

    @property
    def arms(self) -> list[Arm]:
        """What is compared."""
        usable = usable_backends(self.pythons)
        setting = Setting(self.recipe, self.backend, len(self.data.train_images), usable)
        return find_experiment(self.experiment).arms(setting)

    @property
    def backends(self) -> list[str]:
        """Those that its arms are trained on."""
        return list(dict.fromkeys(arm.backend or self.backend for arm in self.arms))

    def to_dict(self) -> dict[str, Any]:
        """What a folder is recognised by."""
        return {
            "experiment": self.experiment,
            "backend": self.backend,
            "recipe": self.recipe.to_dict(),
            "dataset": self.data.name,
            "dataset_sha256": self.data.sha256,
            "train_size": len(self.data.train_images),
            "test_size": len(self.data.test_images),
        }

    def jobs(self) -> dict[tuple[str, int], Job]:
        """A job for each arm and seed, as plain data; those of a seed one after another."""
        check_backends(self.backends, self.pythons)
        jobs = {}
        for seed in self.seeds:
            for arm in self.arms:
                data = self._images(arm)
                jobs[arm.name, seed] = {
                    "experiment": self.experiment,
                    "backend": arm.backend or self.backend,
                    "recipe": replace(arm.recipe, seed=seed).to_dict(),
                    "data": {
                        "dataset": data.name,
                        "train_size": len(data.train_images),
                        "test_size": len(data.test_images),
                        "data_dir": self.data_dir,
                    },
                    "dataset_sha256": data.sha256,
                    "timeout": self.timeout,
                    "python": self.pythons.get(arm.backend or self.backend),
                }
        return jobs

    def _images(self, arm: Arm) -> Dataset:
        n = arm.train_size
        if n is None or n >= len(self.data.train_images):
            return self.data
        return replace(
            self.data,
            train_images=self.data.train_images[:n],
            train_labels=self.data.train_labels[:n],
        )


def run_experiment(
    plan: Plan,
    folder: Path,
    *,
    num_jobs: int,
    dask: str | None = None,
    on_epochs: OnEpochs | None = None,
) -> tuple[Results, dict[tuple[str, int], str]]:
    """Run the jobs that ``folder`` lacks.

    Args:
        plan: what to run.
        folder: each finished run is kept in its ``jobs``.
        num_jobs: how many to run at a time here.
        dask: the address of a dask.distributed scheduler, which runs them instead.
        on_epochs: called with the epochs done and the epochs in all.

    Returns:
        The results of the seeds of which no run failed, and the errors, by arm and seed.

    Raises:
        ValueError: ``folder`` is another experiment's, or an interpreter does not work.
        ModuleNotFoundError: a framework is not installed.
        ConnectionError: no scheduler answers, or it has no workers.
    """
    refuse_other_experiment(plan, folder)
    planned = plan.jobs()
    names = {key: _file_name(job) for key, job in planned.items()}
    jobs = {names[key]: job for key, job in planned.items()}  # of equal arms one run
    paths = {name: folder / "jobs" / name for name in jobs}
    done = {name for name, path in paths.items() if path.exists()}
    epochs = {name: job["recipe"]["num_epochs"] for name, job in jobs.items()}
    count = _Count(sum(epochs[name] for name in done), sum(epochs.values()), on_epochs)
    write_bytes(folder / "plan.json", dump_json(plan.to_dict(), indent=2).encode())

    errors = {}
    waiting = [job for name, job in jobs.items() if name not in done]
    with _executor(dask, num_jobs, count) as execute:
        for job, result in execute(waiting):
            name = _file_name(job)
            if "error" in result:
                errors[name] = result["error"]
            else:
                write_bytes(paths[name], dump_json(result).encode())
    failed = {key: errors[name] for key, name in names.items() if name in errors}
    seeds = [seed for seed in plan.seeds if seed not in {seed for _, seed in failed}]
    runs = {
        (arm, seed): json.loads(paths[name].read_text())
        for (arm, seed), name in names.items()
        if seed in seeds
    }
    return Results(plan.arms, seeds, runs), failed


def refuse_other_experiment(plan: Plan, folder: Path) -> None:
    """Raise ValueError if ``folder`` holds another experiment; other seeds are the same one."""
    asked = plan.to_dict()
    asked["recipe"] = {name: value for name, value in asked["recipe"].items() if name != "seed"}
    NamedFolder(folder, "experiment").refuse_other(asked)


def _file_name(job: Job) -> str:
    """By what the job is: whatever else asks for the same run finds it."""
    asked = {key: job[key] for key in ("experiment", "backend", "recipe", "dataset_sha256")}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    return f"{job['backend']}-{digest[:16]}.json"


class _Count:
    """Epochs done; told by several threads."""

    def __init__(self, done: int, total: int, report: OnEpochs | None) -> None:
        self.done, self.total, self.report = done, total, report
        self._lock = threading.Lock()
        if report and done:
            report(done, total)

    def __call__(self, epochs: int = 1) -> None:
        with self._lock:
            self.done += epochs
            if self.report:
                self.report(self.done, self.total)


Execute = Callable[[list[Job]], Iterator[tuple[Job, dict[str, Any]]]]


@contextmanager
def _executor(dask: str | None, num_jobs: int, count: _Count) -> Iterator[Execute]:
    """What takes jobs and yields their results as they come."""
    if dask is None:
        # Threads: each waits for a worker process.
        parallel: Any = joblib.Parallel(num_jobs, "threading", return_as="generator_unordered")
        yield lambda jobs: parallel(joblib.delayed(run_job)(job, count) for job in jobs)
        return

    def execute(jobs: list[Job]) -> Iterator[tuple[Job, dict[str, Any]]]:
        parallel: Any = joblib.Parallel(return_as="generator_unordered")
        for job, result in parallel(joblib.delayed(run_job)(job) for job in jobs):
            count(job["recipe"]["num_epochs"])
            yield job, result

    with _connected(dask), joblib.parallel_config("dask", wait_for_workers_timeout=PATIENCE):
        yield execute


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """A client of the scheduler."""
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        if error.name != "distributed":
            raise
        raise ModuleNotFoundError(
            '--dask needs distributed: pip install "d2ldrop[dask]"', name="distributed"
        ) from None
    try:
        client = Client(address, timeout=PATIENCE)  # type: ignore[no-untyped-call]  # has no types
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"no dask scheduler answers at {address} within {PATIENCE} s: "
            "'dask scheduler' starts one, and prints its address"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise ConnectionError(
                f"the dask scheduler at {address} has no workers: "
                f"'dask worker {address}' starts one, where d2ldrop is installed"
            ) from None
        yield
