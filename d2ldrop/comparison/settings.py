"""The device and the execution mode of each backend: those asked for, where it has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from d2ldrop.frameworks import framework
from d2ldrop.processes.environment import check_execution
from d2ldrop.processes.jobs import ProbeJob
from d2ldrop.processes.launcher import WorkerFailedError, run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.scratch import scratch_folder


def settle(backends: Sequence[str], asked: WorkerOptions) -> dict[str, WorkerOptions]:
    """The options of each backend; without the asked device it uses "cpu".

    A device other than "cpu" starts each framework once, to see which devices it has. A framework
    that fails keeps the asked device: its row will show the error.

    Raises:
        ValueError: no backend has the asked execution mode, or none has the device.
    """
    executions = executions_of(backends, asked.execution)
    devices = dict.fromkeys(backends, asked.device)
    if asked.device != "cpu":
        found = {backend: _devices_of(backend, asked) for backend in backends}
        if not any(there is None or asked.device in there for there in found.values()):
            has = "; ".join(f"{name} has {', '.join(there or ())}" for name, there in found.items())
            raise ValueError(
                f"device must be one that a backend has here, got {asked.device!r}: {has}"
            )
        devices |= {
            backend: "cpu"
            for backend, there in found.items()
            if there is not None and asked.device not in there
        }
    return {
        backend: replace(asked, device=devices[backend], execution=executions[backend])
        for backend in backends
    }


def executions_of(backends: Sequence[str], execution: str) -> dict[str, str]:
    """The execution mode of each backend: "default" if it lacks the asked one.

    Raises:
        ValueError: no backend has the asked one.
    """
    errors: dict[str, ValueError] = {}
    modes = {}
    for backend in backends:
        try:
            check_execution(backend, execution)
            modes[backend] = execution
        except ValueError as error:
            errors[backend] = error
            modes[backend] = "default"
    if errors and len(errors) == len(backends):
        # The error of a backend that has the mode, but not on this processor, says more.
        raise max(errors.items(), key=lambda item: bool(framework(item[0]).fast_execution))[1]
    return modes


def not_applied(asked: WorkerOptions, each: Mapping[str, WorkerOptions]) -> dict[str, list[str]]:
    """For "device" and "execution": the backends that do not use the asked value."""
    return {
        setting: [
            backend
            for backend, options in each.items()
            if getattr(options, setting) != getattr(asked, setting)
        ]
        for setting in ("device", "execution")
    }


def _devices_of(backend: str, asked: WorkerOptions) -> list[str] | None:
    """The devices of a framework; None if it cannot be started."""
    found: dict[str, Any] = {}
    probe = replace(asked, device="cpu", execution="default")
    with scratch_folder() as folder:
        try:
            run_job(ProbeJob(backend), probe, found.update, log=folder / "probe.log")
        except WorkerFailedError:
            return None
    return list(found["devices"])
