"""What the conformance suite says about the backends of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from d2ldrop.backend import GROUP
from d2ldrop.conformance.job import run_suite
from d2ldrop.conformance.report import checks_of, state
from d2ldrop.entry_points import modules_of
from d2ldrop.frameworks import FRAMEWORKS
from d2ldrop.processes.options import WorkerOptions

LEVEL = "L2"
"""The highest level that ``--check`` runs: one step."""


class NotConformingError(ValueError):
    """A backend failed the conformance suite, so it is not trained."""


class Conformity:
    """The conformance states of the backends, and the checks before a training.

    Attributes:
        check: whether ``require`` runs the suite; it does nothing otherwise.
    """

    def __init__(self, check: bool) -> None:
        self.check = check
        self._problems: dict[str, str | None] = {}  # by backend; None if it passed

    def require(
        self,
        backend: str,
        options: WorkerOptions,
        log: Path,
        on_event: Callable[[dict[str, Any]], None],
    ) -> None:
        """Run the levels L0 to L2 of the suite on ``backend``, once in a comparison.

        Raises:
            NotConformingError: a check failed; the message is that of the first one.
        """
        if not self.check:
            return
        if backend not in self._problems:
            report = run_suite(backend, options, log=log, level=LEVEL, on_event=on_event)
            failed = (check.message for check in checks_of(report) if check.outcome == "failed")
            self._problems[backend] = None if report["passed"] else next(failed, "no check was run")
        if (problem := self._problems[backend]) is not None:
            raise NotConformingError(
                f"not trained, because its backend failed the conformance suite: {problem}"
            )

    def states(self, backends: Iterable[str]) -> dict[str, str]:
        """The state of each backend that was checked here or is not part of d2ldrop.

        ``report.state`` has the words: "not run", "passed at version 1.2" or "failed at version
        1.2".
        """
        names = dict.fromkeys(backends)
        shown = (name for name in names if name in self._problems or is_third_partys(name))
        return {name: state(name) for name in shown}


def is_third_partys(backend: str) -> bool:
    """Whether another distribution than d2ldrop registers the backend."""
    entry = modules_of(GROUP).get(backend)
    if entry is None or entry.dist is None:  # it is in another environment (--python)
        return backend not in FRAMEWORKS
    return entry.dist.name != "d2ldrop"
