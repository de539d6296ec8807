"""One run of the suite inside pytest: the order of its checks, and what each finds."""

from __future__ import annotations

import os
import sys
import unittest
import warnings
from collections.abc import Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from d2ldrop.backend import check_name
from d2ldrop.conformance import LEVELS, fixtures
from d2ldrop.conformance.expected import check_keys, read_expected, reason_for
from d2ldrop.conformance.judge import WrongError
from d2ldrop.conformance.plugin import FOLDER, PACKAGE, SESSION
from d2ldrop.conformance.raised import comes_from, described
from d2ldrop.conformance.report import Check, assemble, facts_about, lines
from d2ldrop.core.files import write_json
from d2ldrop.core.places import check_output_file
from d2ldrop.frameworks import framework

Emit = Callable[..., None]
NOT_RUN = "not run: "
VERDICTS = (
    unittest.SkipTest,
    pytest.skip.Exception,
    pytest.xfail.Exception,
    pytest.exit.Exception,
    KeyboardInterrupt,
)
"""Exceptions that pytest takes for a decision of the test; a backend must not make any."""


def begin(config: pytest.Config, emit: Emit | None = None) -> Session:
    """Prepare pytest for the suite; ``emit`` hears what happens.

    Raises:
        pytest.UsageError: the backend is unknown, its framework is not installed, or the file of
            expected failures is wrong, or the JSON cannot be written.
    """
    name = str(config.getoption("--d2ldrop-backend"))
    file = config.getoption("--d2ldrop-expected-failures")
    with warnings.catch_warnings():  # a faulty entry of any package; L0.facts judges this one's
        warnings.simplefilter("ignore")
        facts = framework(name)
    try:
        check_name(name)
        if json := config.getoption("--d2ldrop-json"):
            check_output_file(Path(json), "--d2ldrop-json")
        expected = read_expected(Path(file)) if file else dict(framework(name).expected_failures)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        raise pytest.UsageError(str(error)) from None
    if name not in sys.modules:
        for variable, value in facts.environment.items():
            os.environ.setdefault(variable, value)
    config.addinivalue_line("markers", "place(name): the place that a check of d2ldrop judges")
    config.addinivalue_line("markers", "essential: a check without which no other makes sense")
    session = Session(config, name, expected, emit)
    config.pluginmanager.register(fixtures, f"{PACKAGE}.fixtures")
    config.pluginmanager.register(session, SESSION)
    return session


def level_of(item: pytest.Item) -> str | None:
    """The level of a check: "L0" for test_l0_masks.py. None for a test that is not of the suite."""
    if item.path.parent != FOLDER:
        return None
    return item.path.name.removeprefix("test_")[:2].upper()


def check_of(item: pytest.Item) -> Check:
    """A check that has not run. Its name is ``L1.given_mask[0.3-float64]``, for example."""
    marker = item.get_closest_marker("place")
    level = level_of(item) or ""
    place = marker.args[0] if marker else "contract"
    return Check(f"{level}.{item.name.removeprefix('test_')}", level, place)


class Session:
    """The hooks of one run."""

    def __init__(
        self, config: pytest.Config, name: str, expected: dict[str, str], emit: Emit | None
    ) -> None:
        self._config, self._name, self._expected = config, name, expected
        self._own_process = emit is not None
        self._emit = emit or (lambda *_, **__: None)
        self._highest = str(config.getoption("--d2ldrop-level"))
        self._failed: str | None = None
        self._hopeless = False
        self._checks: dict[str, Check] = {}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Let ``-k L1`` choose a level, and let a warning of the framework be no failure."""
        if level := level_of(item):
            item.extra_keyword_matches.add(level)
            item.add_marker(pytest.mark.filterwarnings("default"))

    @pytest.hookimpl(tryfirst=True)  # before -k deselects
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the wanted levels, in their order."""
        mine = [item for item in items if level_of(item)]
        if self._expected and config.args == [PACKAGE]:
            given = config.getoption("--d2ldrop-expected-failures")
            file = Path(str(given or f"Framework.expected_failures of {self._name}"))
            try:
                check_keys(file, self._expected, [check_of(item).id for item in mine])
            except ValueError as error:
                self._emit("refused", message=str(error))
                raise pytest.UsageError(str(error)) from None
        above = [item for item in mine if (level_of(item) or "") > self._highest]
        kept = [item for item in items if item not in above]
        items[:] = sorted(kept, key=lambda item: level_of(item) or "")
        if above:
            config.hook.pytest_deselected(items=above)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say which checks will run."""
        checks = [check_of(item) for item in session.items if level_of(item)]
        about = facts_about(self._name)
        self._emit("checks", checks=[asdict(check) for check in checks], about=about)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Do not run a level after a bad one."""
        level = level_of(item)
        if not level:
            return
        if self._failed and (self._hopeless or level > self._failed):
            pytest.skip(f"{NOT_RUN}{self._failed} failed")
        self._emit("check", id=check_of(item).id)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self) -> Generator[None, Any, Any]:
        """A skip, an exit or an interrupt that the backend itself raises is a failure.

        Ctrl-C reaches only a pytest that the user has started: not a process of its own.
        """
        try:
            return (yield)
        except VERDICTS as error:
            users = isinstance(error, KeyboardInterrupt) and not self._own_process
            if users or not comes_from(error.__traceback__, self._name):
                raise
            place, sentence = described(error, error.__traceback__, self._name)
            raise WrongError(place, sentence) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Make one sentence of a failure, and say what is expected to fail."""
        report = yield
        if level_of(item):
            self._judge(item, call, report)
        return report

    def _judge(self, item: pytest.Item, call: pytest.CallInfo[None], report: Any) -> None:
        """Say in the report of one phase (setup, call, teardown) what it means for the check."""
        check = check_of(item)
        if report.failed:
            check.place, text = self._failure(call)
            # A backend may put lone surrogates into its text, which UTF-8 cannot hold.
            check.message = text.encode(errors="backslashreplace").decode()
            report.longrepr = check.message
        self._compare_with_expected(check, call, report)
        check.outcome, check.seconds = _outcome(report), report.duration
        if report.skipped and not hasattr(report, "wasxfail"):
            check.message = report.longrepr[2].removeprefix("Skipped: ")
            check.outcome = "not run" if check.message.startswith(NOT_RUN) else "skipped"
        if report.failed:
            self._failed = min(check.level, self._failed or max(LEVELS))
            self._hopeless |= item.get_closest_marker("essential") is not None
        report.d2ldrop = asdict(check)  # a process of xdist sends it to the first one

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add a report of one phase (setup, call, teardown) to what is known about its check."""
        values = getattr(report, "d2ldrop", None)
        if values is None:
            return
        check = Check(**values)
        before = self._checks.get(check.id)
        if before is None or check.outcome != "passed":
            self._checks[check.id] = check
        if before is not None:
            self._checks[check.id].seconds = before.seconds + check.seconds
        if report.when == "teardown":
            self._emit("result", **asdict(self._checks[check.id]))

    def pytest_sessionfinish(self) -> None:
        """Write the JSON."""
        file = self._config.getoption("--d2ldrop-json")
        if file and not hasattr(self._config, "workerinput"):
            write_json(Path(file), self.report())

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table by level."""
        if self._checks:
            terminalreporter.section(f"conformance of {self._name}")
            for line in lines(self.report()):
                terminalreporter.write_line(line)

    def report(self) -> dict[str, Any]:
        """What the checks have found so far."""
        return assemble(self._name, list(self._checks.values()), self._highest)

    def _failure(self, call: pytest.CallInfo[None]) -> tuple[str, str]:
        """The place of a failure, and the sentence."""
        assert call.excinfo is not None
        error = call.excinfo.value
        if isinstance(error, WrongError):
            return error.place, str(error)
        place, sentence = described(error, call.excinfo.tb, self._name)
        return place, f"{place}: {sentence}"

    def _compare_with_expected(
        self, check: Check, call: pytest.CallInfo[None], report: Any
    ) -> None:
        """An expected failure is no failure; if the check passes, its line must go."""
        found = reason_for(check.id, self._expected)
        if found is None:
            return
        key, reason = found
        if report.failed:
            report.outcome, report.wasxfail = "skipped", f"{reason}: {check.message}"
            check.message = f"{reason} ({check.message})"
        elif report.passed and call.when == "call":
            check.message = (
                f"{check.place}: passed, but the expected failures name it ({key!r}): "
                "remove or narrow this line"
            )
            report.outcome, report.longrepr = "failed", check.message


def _outcome(report: Any) -> str:
    if hasattr(report, "wasxfail"):
        return "expected failure"
    return str(report.outcome)
