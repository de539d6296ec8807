"""``WorkerOptions``: the settings that all workers of a run share."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

from d2ldrop.core.checks import check_positive
from d2ldrop.core.devices import device_name
from d2ldrop.core.machine import cores
from d2ldrop.processes.child import check_platform
from d2ldrop.processes.environment import EXECUTIONS, check_execution, worker_environment
from d2ldrop.processes.interpreters import check_backends


@dataclass(frozen=True)
class WorkerOptions:
    """The settings that all workers of a run share; the constructor checks every field.

    ``choose_backends`` checks whether given backends can run with these settings.

    Attributes:
        device: "cpu", "gpu" or "gpu:N".
        threads: threads of each framework's pools, at most 64 or four per core. None: the user's
            environment decides, or else ``d2ldrop.processes.environment`` chooses the number.
        execution: "default", or "fast": settings that a framework's makers do not document.
        timeout: seconds without a report after which a worker counts as hung.
        pythons: for each backend in another environment, the path of its Python interpreter.

    Raises:
        TypeError: a value of the wrong type.
        ValueError: a value out of range; the message names the field and the allowed values.
        OSError: worker processes cannot run on this system.
    """

    device: str = "cpu"
    threads: int | None = None
    execution: str = "default"
    timeout: float = 300
    pythons: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the system and every field; "gpu" becomes "gpu:0"."""
        check_platform()
        object.__setattr__(self, "device", device_name(self.device))
        if self.threads is not None:
            object.__setattr__(self, "threads", _check_threads(self.threads))
        if self.execution not in EXECUTIONS:
            raise ValueError(
                f"execution must be one of {', '.join(EXECUTIONS)}, got {self.execution!r}"
            )
        expected = "timeout must be a positive number of seconds"
        if isinstance(self.timeout, bool) or not isinstance(self.timeout, Real):
            raise TypeError(
                f"{expected}, got {self.timeout!r} of type {type(self.timeout).__name__}"
            )
        if not 0 < self.timeout <= threading.TIMEOUT_MAX:  # NaN and infinity fail
            raise ValueError(f"{expected}, got {self.timeout}")
        if not isinstance(self.pythons, Mapping):
            raise TypeError(
                "pythons must map a backend's name to a Python interpreter, such as "
                f"{{'mxnet': '/path/to/python'}}, got {self.pythons!r}"
            )
        # A copy: a later change of the caller's dict has no effect.
        pythons = {name: os.fspath(path) for name, path in self.pythons.items()}
        object.__setattr__(self, "pythons", pythons)

    def choose_backends(self, names: Sequence[str] | None = None) -> list[str]:
        """``names`` without repeats, or all usable backends. Check that each can run.

        Call this before the work begins. It imports no framework.

        Raises:
            ValueError: an unknown backend, one without the execution mode, an interpreter that does
                not work, or one for a backend that is not among ``names``.
            ModuleNotFoundError: a framework is not installed.
        """
        backends = check_backends(names, self.pythons)
        for backend in backends:
            check_execution(backend, self.execution)
        return backends

    def python(self, backend: str) -> str:
        """The interpreter of the backend's workers."""
        return self.pythons.get(backend, sys.executable)

    def environment(self, backend: str) -> dict[str, str]:
        """All environment variables of the backend's workers: this process's and the added ones."""
        return {**os.environ, **worker_environment(backend, self.threads, self.execution)}


def _check_threads(threads: object) -> int:
    number = check_positive(threads, "threads")
    most = max(64, 4 * cores())
    if number > most:
        raise ValueError(
            f"threads must be at most {most} on this machine with {cores()} cores, got {number}"
        )
    return number
