"""A third party's distribution, installed with pip as its users install it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

collect_ignore = ["distribution"]
DISTRIBUTION = Path(__file__).parent / "distribution"

Python = Callable[..., str]
"""Runs Python with these arguments and returns what it prints; ``status`` is the exit status."""


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    """Python with the distribution, in a folder of its own."""
    pytest.importorskip("hatchling", reason="not installed: hatchling, which builds it")
    pytest.importorskip("pip", reason="not installed: pip")
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, *options, str(DISTRIBUTION)], check=True, capture_output=True)
    path = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}

    def run(*arguments: str, status: int = 0) -> str:
        out = subprocess.run(
            [sys.executable, *arguments], env=env, capture_output=True, text=True, check=False
        )
        assert out.returncode == status, f"{out.stdout}\n{out.stderr}"
        return out.stdout + out.stderr

    return run
