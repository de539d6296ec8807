"""One test process per framework.

A test with the fixture ``backend`` runs once for each backend. Its id contains the backend's name.
Under pytest-xdist (the default, see pyproject.toml) each backend has its own process.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from d2ldrop import backend_names, get_backend
from d2ldrop.backend import Backend, install_hint, is_installed
from d2ldrop.frameworks import framework

ROOT = Path(__file__).parents[1]
# Many processes share the cores, so a waiting thread must not spin. Frameworks read this setting
# when they are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# JAX compiles each new shape of an array. In its cache all processes of the tests find what one of
# them has compiled. The cache locks its files only if its size has a limit.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(2**30))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
REQUIRED = re.findall(r"\w+", os.environ.get("D2LDROP_TEST_BACKENDS", "numpy"))
hypothesis.settings.register_profile("shared-machine", deadline=None)
hypothesis.settings.load_profile("shared-machine")
FRAMEWORKS = ["torch", "tensorflow", "mxnet", "paddle", "jax"]
FULL_RUNS = "test_full_runs.py"
COMMANDS = ("tests/cli/", "tests/processes/", "tests/project/")
"""Tests of these rooms without a backend have a process of their own: together with the others they
would take longer than those of any backend."""
BROWSER = "tests/page/browser/"
"""Playwright runs an event loop in the thread of its tests, so they have a process, too."""


def pytest_configure(config: pytest.Config) -> None:
    unknown = set(REQUIRED) - set(backend_names())
    if unknown:
        raise pytest.UsageError(
            f"D2LDROP_TEST_BACKENDS must contain names of {', '.join(backend_names())}, "
            f"got {', '.join(sorted(unknown))}"
        )


def skip_without(*names: str) -> pytest.MarkDecorator:
    """Skip a test if a framework is missing that D2LDROP_TEST_BACKENDS does not require."""
    missing = [name for name in names if not is_installed(name) and name not in REQUIRED]
    reason = f"not installed: {', '.join(install_hint(name) for name in missing)}"
    return pytest.mark.skipif(bool(missing), reason=reason)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend_name" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("only")
        names = marker.args if marker else backend_names()
        metafunc.parametrize(
            "backend_name", [pytest.param(name, marks=skip_without(name)) for name in names]
        )


def loaded_frameworks() -> list[str]:
    """The frameworks in this process. TensorFlow imports JAX if it is installed; it needs none."""
    loaded = [name for name in FRAMEWORKS if name in sys.modules]
    return [name for name in loaded if name != "jax" or "tensorflow" not in loaded]


@pytest.fixture
def backend(backend_name: str) -> Backend[Any]:
    """The module of a backend. A test with this fixture runs once for each backend."""
    others = [name for name in loaded_frameworks() if name != backend_name]
    if others and backend_name != "numpy":
        pytest.fail(f"{backend_name} would be the second framework in a process with {others}")
    for variable, value in framework(backend_name).environment.items():
        os.environ.setdefault(variable, value)  # the import reads it, as in a worker
    return get_backend(backend_name)


@pytest.fixture(autouse=True)
def _one_framework_per_process() -> Iterator[None]:
    yield
    loaded = loaded_frameworks()
    assert len(loaded) <= 1, f"one process holds {loaded}: each test process may hold one framework"


def scope(nodeid: str) -> str:
    """The name of the process that runs a test: the test's backend, if it has one."""
    parameters = re.split(r"[\[\]-]", nodeid.partition("[")[2])
    named = [name for name in backend_names() if name in parameters]
    if named:
        return named[0]
    if FULL_RUNS in nodeid:
        return FULL_RUNS
    if nodeid.startswith(BROWSER):
        return "browser"
    return "commands" if nodeid.startswith(COMMANDS) else "core"


class OneBackendPerProcess(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    """Send each scope to its own process."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return len(backend_names()) + 4


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneBackendPerProcess:
    return OneBackendPerProcess(config, log)


@pytest.fixture(autouse=True)
def _no_user_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the user's cache and settings."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("D2LDROP_DATA_DIR", raising=False)
