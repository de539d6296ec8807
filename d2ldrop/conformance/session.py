"""One run of the suite inside pytest: its fixtures, its order, and what its checks find."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from d2ldrop.backend import check_name
from d2ldrop.conformance import fixtures
from d2ldrop.conformance.plugin import FOLDER, LEVELS


def begin(config: pytest.Config) -> None:
    """Prepare pytest for the suite.

    Raises:
        pytest.UsageError: the backend is unknown, or its framework is not installed.
    """
    try:
        check_name(config.getoption("--d2ldrop-backend"))
    except (ValueError, ModuleNotFoundError) as error:
        raise pytest.UsageError(str(error)) from None
    config.addinivalue_line("markers", "place(name): the place that a check of d2ldrop judges")
    config.addinivalue_line("markers", "essential: a check without which no other makes sense")
    config.pluginmanager.register(fixtures, "d2ldrop-conformance-fixtures")
    config.pluginmanager.register(Session(config), "d2ldrop-conformance-session")


def level_of(item: pytest.Item) -> str | None:
    """The level of a check: "L0" for test_l0_masks.py. None for a test that is not of the suite."""
    if item.path.parent != FOLDER:
        return None
    return item.path.name.removeprefix("test_")[:2].upper()


def id_of(item: pytest.Item) -> str:
    """The name of a check: ``L1.given_mask[0.3-float64]``."""
    return f"{level_of(item)}.{item.name.removeprefix('test_')}"


class Session:
    """The hooks of one run."""

    def __init__(self, config: pytest.Config) -> None:
        self._highest = config.getoption("--d2ldrop-level")
        self._failed: str | None = None
        self._hopeless = False

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the wanted levels, in their order."""
        above = [item for item in items if (level_of(item) or "") > self._highest]
        kept = [item for item in items if (level_of(item) or "") <= self._highest]
        items[:] = sorted(kept, key=lambda item: level_of(item) or "")
        if above:
            config.hook.pytest_deselected(items=above)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Do not run a level after a bad one."""
        level = level_of(item)
        if level and self._failed and (self._hopeless or level > self._failed):
            pytest.skip(f"not run: {self._failed} failed")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note a failure."""
        report: Any = yield
        level = level_of(item)
        if level and report.failed:
            self._failed = min(level, self._failed or LEVELS[-1])
            self._hopeless |= item.get_closest_marker("essential") is not None
        return report
