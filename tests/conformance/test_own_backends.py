"""Every backend of this project passes its own conformance suite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from d2ldrop.frameworks import FLOATS, framework

NOISES = ("gaussian", "additive", "unit")
"""Noises other than dropout for which a framework may have a layer."""
COMPILERS = ("tensorflow", "jax")
"""They compile each new shape of an array, so the suite takes minutes."""


@pytest.mark.only("numpy", "torch", "mxnet", "paddle")
def test_a_backend_passes_the_suite(backend_name: str, tmp_path: Path) -> None:
    judge(backend_name, tmp_path)


@pytest.mark.slow
@pytest.mark.only(*COMPILERS)
def test_a_backend_with_a_compiler_passes_the_suite(backend_name: str, tmp_path: Path) -> None:
    judge(backend_name, tmp_path)


def judge(backend_name: str, folder: Path) -> None:
    """In a process of its own, as its author would run it."""
    file = folder / "report.json"
    command = [sys.executable, "-m", "d2ldrop", "conformance", backend_name, "--json", str(file)]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stdout + out.stderr
    report = json.loads(file.read_text())
    assert [level["level"] for level in report["levels"]] == ["L0", "L1", "L2", "L3", "L4"]
    checks = [check for level in report["levels"] for check in level["checks"]]
    facts = framework(backend_name)
    allowed = {"passed", "skipped", *(["expected failure"] if facts.expected_failures else [])}
    assert {check["outcome"] for check in checks} <= allowed
    reasons = {check["message"] for check in checks if check["outcome"] == "skipped"}
    others = {reason for reason in reasons if "d2ldrop.compiled" not in reason}
    assert others == {
        *(f"not declared: {dtype}" for dtype in FLOATS if dtype not in facts.dtypes),
        *(
            f"not declared: noise {noise!r} in the concise version"
            for noise in NOISES
            if noise not in facts.concise_noises
        ),
    }
