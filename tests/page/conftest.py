"""Pages without their slow parts."""

from __future__ import annotations

import pytest

from d2ldrop.page import comparison_page
from d2ldrop.page.code_section import CodeSection


@pytest.fixture
def slow_parts() -> None:
    """For a test of a whole page: charts and code take a while to make."""


@pytest.fixture
def without_slow_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out charts and code, unless the test asks for them."""
    if "slow_parts" not in request.fixturenames:
        monkeypatch.setattr(comparison_page, "page_charts", lambda _: [])
        nothing = CodeSection([], [], "", "", [])
        monkeypatch.setattr(comparison_page, "code_section", lambda _: nothing)
