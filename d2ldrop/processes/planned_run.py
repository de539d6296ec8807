"""A run that a worker process does for its parent: its settings, its folder and its result."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset
from d2ldrop.processes.jobs import TrainJob
from d2ldrop.processes.launcher import WorkerFailedError
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.shared_data import SharedData
from d2ldrop.training.folder import RunFolder
from d2ldrop.training.run import expected_identity
from d2ldrop.version import __version__


@dataclass(frozen=True)
class PlannedRun:
    """The settings of one run, and the folder of its results.

    Attributes:
        backend: the framework's import name.
        implementation: "scratch" or "concise".
        recipe: the hyper-parameters, as ``recipe_for`` returns them.
        record: additional statistics of the run, as in ``train``.
        options: the settings of the worker.
        folder: the folder of the run.
        on_divergence: "continue" or "stop" when the run diverges, as in ``train``.
        phase: "train" or "speed" (see ``TrainJob``).
    """

    backend: str
    implementation: str
    recipe: Recipe
    record: tuple[str, ...]
    options: WorkerOptions
    folder: RunFolder
    on_divergence: str = "continue"
    phase: str = "train"

    def refuse_other(self, data: Dataset | None = None) -> None:
        """Raise ValueError if the folder holds another run.

        Without ``data``, the images are not compared: a run can be refused before they are loaded.
        """
        environment = self.options.environment(self.backend)
        expected = expected_identity(
            self.backend,
            self.recipe,
            self.implementation,
            self.record,
            self.options.device,
            environment,
            data,
            on_divergence=self.on_divergence,
        )
        if self.options.python(self.backend) == sys.executable:  # the worker has these versions
            expected |= {"numpy_version": np.__version__, "d2ldrop_version": __version__}
        self.folder.refuse_other(expected)

    def job(self, shared: SharedData, *, resume: bool) -> TrainJob:
        """The job of the worker."""
        return TrainJob(
            self.backend,
            shared,
            self.recipe,
            self.folder.path,
            implementation=self.implementation,
            device=self.options.device,
            resume=resume,
            record=self.record,
            on_divergence=self.on_divergence,
            phase=self.phase,
        )

    def read_result(self, data: Dataset) -> dict[str, Any]:
        """The content of the run's ``result.json``, after its worker has finished.

        Raises:
            WorkerFailedError: the folder holds another run.
            OSError, ValueError: the file is missing or damaged.
        """
        result = self.folder.read_result()
        try:
            self.refuse_other(data)
        except ValueError as error:
            raise WorkerFailedError(f"another process has written there: {error}") from error
        return result
