"""One run of an experiment: a worker trains an arm for one seed and measures it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from d2ldrop.core.recipe import Recipe
from d2ldrop.data import DataSource
from d2ldrop.experiments import find_experiment
from d2ldrop.processes.jobs import Emit, Job
from d2ldrop.processes.launcher import Event, WorkerFailedError, run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.scratch import scratch_folder
from d2ldrop.training.divergence import no_overflow_warnings
from d2ldrop.training.loop import begin_run, train_epochs


@dataclass(frozen=True)
class ExperimentJob(Job):
    """Train an arm for one seed and measure it; reports "epoch" and finally "measured".

    The job may run on another machine, so its worker loads the images itself.

    Attributes:
        experiment: the experiment's name.
        recipe: the arm's hyper-parameters, with the seed.
        source: the place from which the worker loads the images.
        dataset_sha256: the expected SHA-256 of these images.
    """

    answer: ClassVar[str | None] = "measured"
    experiment: str
    recipe: Recipe
    source: DataSource
    dataset_sha256: str

    @property
    def file_name(self) -> str:
        """The name of the result's file; equal runs have equal names."""
        identity = {
            "experiment": self.experiment,
            "backend": self.backend,
            "recipe": self.recipe.to_dict(),
            "dataset_sha256": self.dataset_sha256,
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"{self.backend}-{digest[:16]}.json"

    def run(self, emit: Emit) -> None:
        """Train and measure.

        Raises:
            ValueError: the images found here are not those of the experiment.
        """
        experiment = find_experiment(self.experiment)
        data = self.source.load()
        if data.sha256 != self.dataset_sha256:
            raise ValueError(
                f"the {data.name} images on this machine are not those of the experiment: "
                f"expected SHA-256 {self.dataset_sha256}, got {data.sha256}"
            )
        module, run, data = begin_run(self.backend, self.recipe, data=data)
        measured = []
        for result in train_epochs(module, run, data):
            if experiment.each_epoch or result.epoch == self.recipe.num_epochs:
                test_error = 100 * (1 - result.test_accuracy)
                with no_overflow_warnings():
                    extra = experiment.measure(run, data) if experiment.measure else {}
                measured.append(
                    {"test_error": test_error, "train_loss": result.train_loss, **extra}
                )
            emit("epoch", **asdict(result))
        emit(
            "measured",
            measured=measured,
            framework_version=run.framework_version,
            diverged_after=run.diverged_after,
        )


def run_and_measure(
    job: ExperimentJob, options: WorkerOptions, on_epoch: Callable[[], None] | None = None
) -> tuple[ExperimentJob, dict[str, Any]]:
    """Run ``job`` in a worker; return it with its measurements, or with an error.

    After an error the result is ``{"error": cause, "log": the worker's output}``.

    Args:
        job: the run.
        options: the settings of its worker.
        on_epoch: called after each epoch.
    """
    measured: dict[str, Any] = {}

    def on_event(event: Event) -> None:
        if event["event"] == "measured":
            measured.update({key: value for key, value in event.items() if key != "event"})
        elif on_epoch:
            on_epoch()

    with scratch_folder() as folder:
        log = folder / "worker.log"
        try:
            run_job(job, options, on_event, log=log)
        except (WorkerFailedError, OSError) as error:
            cause = error.cause if isinstance(error, WorkerFailedError) else str(error)
            printed = log.read_text(errors="replace") if log.exists() else ""
            return job, {"error": cause, "log": printed}
    return job, measured
