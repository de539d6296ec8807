"""Executes several jobs at the same time: by threads of this process, or on a dask cluster.

joblib supports both. The choice does not affect the results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import joblib

from d2ldrop.experiments.engine.jobs import ExperimentJob, run_and_measure
from d2ldrop.processes.options import WorkerOptions

PATIENCE = 5
"""Seconds to wait for a scheduler, and then for its first worker."""
OnProgress = Callable[[int], None]
"""Called with the number of epochs that have just finished; several threads may call it."""
Execute = Callable[[Sequence[ExperimentJob]], Iterator[tuple[ExperimentJob, dict[str, Any]]]]
"""Takes jobs and yields each with its result, in the order in which they finish."""


@contextmanager
def local_threads(
    num_jobs: int, options: WorkerOptions, on_progress: OnProgress
) -> Iterator[Execute]:
    """Execute up to ``num_jobs`` jobs at the same time on this machine."""
    # Threads are enough, because each only waits for its worker process.
    parallel: Any = joblib.Parallel(num_jobs, "threading", return_as="generator_unordered")

    def on_epoch() -> None:
        on_progress(1)

    yield lambda jobs: parallel(
        joblib.delayed(run_and_measure)(job, options, on_epoch) for job in jobs
    )


@contextmanager
def dask_cluster(
    address: str, options: WorkerOptions, on_progress: OnProgress
) -> Iterator[Execute]:
    """Execute jobs on the workers of the dask.distributed scheduler at ``address``.

    Raises:
        ModuleNotFoundError: distributed is not installed.
        ConnectionError: no scheduler answers, or it has no workers.
    """

    def execute(
        jobs: Sequence[ExperimentJob],
    ) -> Iterator[tuple[ExperimentJob, dict[str, Any]]]:
        parallel: Any = joblib.Parallel(return_as="generator_unordered")
        for job, result in parallel(joblib.delayed(run_and_measure)(job, options) for job in jobs):
            on_progress(job.recipe.num_epochs)
            yield job, result

    with _connected(address), joblib.parallel_config("dask", wait_for_workers_timeout=PATIENCE):
        yield execute


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Connect a client to the scheduler, and wait for the first worker."""
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
            "'dask scheduler' starts one and prints its address"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise ConnectionError(
                f"the dask scheduler at {address} has no workers: "
                f"'dask worker {address}' starts one, on a machine with d2ldrop"
            ) from None
        yield
