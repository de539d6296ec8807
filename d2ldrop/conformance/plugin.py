"""The pytest plug-in of the conformance suite."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    group = parser.getgroup("d2ldrop", "the conformance suite of d2ldrop")
    group.addoption("--d2ldrop-backend", metavar="NAME", help="The backend to judge.")
