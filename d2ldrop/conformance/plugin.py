"""The pytest plug-in of the conformance suite.

It is loaded in every pytest run of everyone who has d2ldrop. So it imports little, and does nothing
unless ``--d2ldrop-backend`` is given.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from d2ldrop.conformance import LEVELS

FOLDER = Path(__file__).resolve().parent
PACKAGE = "d2ldrop.conformance"
SESSION = f"{PACKAGE}.session"
"""The name under which the session is registered, which ``d2ldrop conformance`` does itself."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    group = parser.getgroup("d2ldrop", "the conformance suite of d2ldrop")
    group.addoption(
        "--d2ldrop-backend",
        metavar="NAME",
        help=f"The backend to judge, with pytest --pyargs {PACKAGE}.",
    )
    group.addoption(
        "--d2ldrop-level",
        metavar="LEVEL",
        choices=list(LEVELS),
        default=max(LEVELS),
        help="The highest level to check: L0 (masks) to L4 (all, the default).",
    )
    group.addoption(
        "--d2ldrop-expected-failures",
        metavar="FILE",
        help="A TOML file of checks that this backend fails, each with a reason.",
    )
    group.addoption("--d2ldrop-json", metavar="FILE", help="Write the results as JSON.")


def pytest_configure(config: pytest.Config) -> None:
    """Load the rest of the suite if a backend is given."""
    if config.getoption("--d2ldrop-backend"):
        from d2ldrop.conformance.session import begin

        if not config.pluginmanager.has_plugin(SESSION):
            begin(config)
    elif any(_is_suite(argument) for argument in config.args):
        raise pytest.UsageError(
            f"{PACKAGE} needs the name of a backend: "
            f"pytest --pyargs {PACKAGE} --d2ldrop-backend NAME"
        )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without a backend, do not collect the suite's modules."""
    in_suite = collection_path.name.startswith("test_") and FOLDER in collection_path.parents
    return True if in_suite and not config.getoption("--d2ldrop-backend") else None


def _is_suite(argument: str) -> bool:
    """Whether an argument of pytest names the suite or a part of it."""
    place = argument.partition("::")[0]
    if place == PACKAGE or place.startswith(f"{PACKAGE}."):
        return True
    path = Path(place).resolve()
    return path == FOLDER or (path.name.startswith("test_") and FOLDER in path.parents)
