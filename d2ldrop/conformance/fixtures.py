"""The fixtures of the suite's modules."""

from __future__ import annotations

from typing import Any

import pytest

from d2ldrop.backend import get_backend
from d2ldrop.conformance.judge import fail
from d2ldrop.frameworks import Framework, framework


@pytest.fixture(scope="session")
def name(pytestconfig: pytest.Config) -> str:
    """The import name of the framework whose backend is judged."""
    return str(pytestconfig.getoption("--d2ldrop-backend"))


@pytest.fixture(scope="session")
def device() -> str:
    """The device that the checks use."""
    return "cpu"


@pytest.fixture(scope="session")
def facts(name: str) -> Framework:
    """What the framework declares."""
    return framework(name)


@pytest.fixture(scope="session")
def backend(name: str) -> Any:
    """The backend's module. A module that cannot be imported fails the check that asks first."""
    try:
        return get_backend(name)
    except (Exception, pytest.skip.Exception, pytest.exit.Exception) as error:  # noqa: BLE001 - whatever the module raises is its own fault
        fail("contract, import", f"{type(error).__name__}: {error}")
