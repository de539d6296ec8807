"""The suite as a job for a worker, and its results in the parent process."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2ldrop.conformance.expected import read_expected
from d2ldrop.conformance.report import Check, assemble, keep
from d2ldrop.processes.jobs import Emit, Job
from d2ldrop.processes.launcher import WorkerFailedError, run_job
from d2ldrop.processes.options import WorkerOptions

HOW_TO_INSTALL = 'd2ldrop conformance needs pytest and SciPy: pip install "d2ldrop[conformance]"'
ORDERLY = (0, 1)
"""Exit statuses of pytest: all checks passed, or some failed."""


@dataclass(frozen=True)
class ConformanceJob(Job):
    """Run the suite in this process, with no other plug-in or configuration of pytest.

    Reports "checks" (which will run), "check" and "result" (one begins, one ends) and "refused"
    (the expected failures are wrong).
    """

    level: str
    expected: Path | None = None

    def run(self, emit: Emit) -> None:
        """Run the suite."""
        check_requirements()
        import pytest

        from d2ldrop.conformance import plugin, session

        class Listener:
            """Makes the suite's session report to the parent."""

            @pytest.hookimpl(tryfirst=True)
            def pytest_configure(self, config: pytest.Config) -> None:
                session.begin(config, emit)

        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        for variable in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
            os.environ.pop(variable, None)
        arguments = ["--pyargs", plugin.PACKAGE, "--noconftest", "-c", os.devnull]
        arguments += ["--rootdir", str(plugin.FOLDER), "-p", "no:cacheprovider", "-s", "-q"]
        arguments += ["--d2ldrop-backend", self.backend, "--d2ldrop-level", self.level]
        if self.expected is not None:
            arguments += ["--d2ldrop-expected-failures", str(self.expected)]
        status = pytest.main(arguments, plugins=[plugin, Listener()])
        if status not in ORDERLY:
            raise RuntimeError(f"pytest ended with {pytest.ExitCode(status).name}")


def check_requirements() -> None:
    """Raise ModuleNotFoundError unless pytest and SciPy are installed."""
    for module in ("pytest", "scipy"):
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(HOW_TO_INSTALL, name=module)


def run_suite(
    name: str,
    options: WorkerOptions,
    *,
    log: Path,
    level: str = "L4",
    expected: Path | None = None,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
) -> dict[str, Any]:
    """Judge the backend ``name`` in a process of its own; return the report, which is kept, too.

    Args:
        name: the framework's import name.
        options: the settings of the worker.
        log: the file for what the framework and pytest print.
        level: the highest level to check, "L0" to "L4".
        expected: a file of expected failures.
        on_event: called with "step" reports, as those of a training.

    Raises:
        ValueError: the backend is unknown, or the expected failures are wrong.
        ModuleNotFoundError: the framework, pytest or SciPy is not installed.
        OSError: a file cannot be read or written.
    """
    options.choose_backends([name])
    if name not in options.pythons:
        check_requirements()
    if expected is not None:
        read_expected(expected)
        expected = expected.resolve()
    run = Run(on_event)
    try:
        run_job(ConformanceJob(name, level, expected), options, run.hear, log=log)
    except WorkerFailedError as error:
        if run.refused:
            raise ValueError(run.refused) from None
        run.die(error.cause)
    report = assemble(name, list(run.checks.values()), level, run.about)
    keep(report)
    return report


class Run:
    """What is known about the checks while the worker runs."""

    def __init__(self, on_event: Callable[[dict[str, Any]], None]) -> None:
        self.checks: dict[str, Check] = {}
        self.refused = ""
        self.about: dict[str, Any] | None = None
        self._current: str | None = None
        self._on_event = on_event

    def hear(self, event: dict[str, Any]) -> None:
        """Take a report of the worker."""
        values = dict(event)
        kind = values.pop("event")
        if kind == "checks":
            self.checks = {one["id"]: Check(**one) for one in values["checks"]}
            self.about = values["about"]
        elif kind == "check":
            self._current = values["id"]
        elif kind == "result":
            self.checks[values["id"]] = Check(**values)
            self._current = None
            done = sum(check.outcome != "not run" for check in self.checks.values())
            self._on_event(
                {"event": "step", "phase": "conformance", "done": done, "total": len(self.checks)}
            )
        elif kind == "refused":
            self.refused = values["message"]

    def die(self, cause: str) -> None:
        """The worker died: the check that it was in has failed, and the others were not run."""
        check = self.checks.get(self._current or "")
        if check is None:
            check = Check("L0.start", "L0", "contract")
            self.checks = {check.id: check, **self.checks}
        check.outcome, check.message = (
            "failed",
            f"{check.place}: the process of this check failed: {cause}",
        )
        for one in self.checks.values():
            if one.outcome == "not run" and not one.message:
                one.message = f"not run: {check.id} ended the process"
