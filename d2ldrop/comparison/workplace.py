"""Where the workers of a run work: its folder, its data laid out, and how to start one."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2ldrop.core.recipe import Recipe
from d2ldrop.data.dataset import Dataset
from d2ldrop.processes.environment import worker_environment
from d2ldrop.processes.launcher import Event, run_worker
from d2ldrop.processes.worker import save_arrays
from d2ldrop.training.implementations import IMPLEMENTATIONS

OnRowEvent = Callable[[str, Event], None]


@dataclass(frozen=True)
class Row:
    """One line of a comparison: a backend and which of its implementations."""

    backend: str
    implementation: str

    @classmethod
    def named(cls, name: str) -> Row:
        """The row of that name."""
        backend, _, implementation = name.partition("-")
        return cls(backend, implementation or IMPLEMENTATIONS[0])

    @property
    def name(self) -> str:
        """Its name and its folder's: "torch", or "torch-concise"."""
        if self.implementation == IMPLEMENTATIONS[0]:
            return self.backend
        return f"{self.backend}-{self.implementation}"


@dataclass(frozen=True)
class Workplace:
    """What all workers of a run or a comparison share."""

    folder: Path
    recipe: Recipe
    data: Dataset
    device: str
    timeout: float
    pythons: Mapping[str, str]
    scratch: Path
    on_event: OnRowEvent
    threads: int | None = None
    execution: str = "default"

    def __post_init__(self) -> None:
        """Refuse a timeout that no clock can wait for."""
        if not 0 < self.timeout <= threading.TIMEOUT_MAX:
            raise ValueError(f"timeout must be a positive number of seconds, got {self.timeout}")

    def run(self, row: Row, *, log: Path, **job: Any) -> None:
        """Run one job of one row; raise WorkerFailedError if it does not end well."""
        run_worker(
            {
                "backend": row.backend,
                "implementation": row.implementation,
                "recipe": self.recipe.to_dict(),
                "data": str(self.scratch),
                "dataset": self.data.name,
                "device": self.device,
                **job,
            },
            lambda event: self.on_event(row.name, event),
            log=log,
            timeout=self.timeout,
            python=self.pythons.get(row.backend, sys.executable),
            environment=worker_environment(row.backend, self.threads, self.execution),
        )


@contextmanager
def laid_out(data: Dataset) -> Iterator[Path]:
    """A temporary folder that holds ``data`` as workers read it."""
    with tempfile.TemporaryDirectory(prefix="d2ldrop-") as folder:
        save_arrays(data, Path(folder))
        yield Path(folder)
