"""A device or an execution mode applies to the backends that have it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from d2ldrop.comparison import settings
from d2ldrop.comparison.settings import executions_of, not_applied, settle
from d2ldrop.comparison.table import remarks
from d2ldrop.processes.options import WorkerOptions
from tests.fakes import install

# A backend that calls NumPy's memory a GPU.
GPU = """
import d2ldrop_numpy
import honest
from d2ldrop_numpy import *

def devices():
    return ["cpu", "gpu:0"]
"""


@pytest.fixture
def amd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every processor can run the fast mode of PaddlePaddle."""

    def check(backend: str, execution: str) -> None:
        if execution == "fast" and backend != "paddle":
            raise ValueError(f"{backend} has no execution mode 'fast'")

    monkeypatch.setattr(settings, "check_execution", check)


@pytest.mark.usefixtures("amd")
def test_an_execution_mode_applies_where_it_exists() -> None:
    asked = WorkerOptions(execution="fast")
    each = settle(["numpy", "paddle"], asked)
    assert {name: options.execution for name, options in each.items()} == {
        "numpy": "default",
        "paddle": "fast",
    }
    assert not_applied(asked, each) == {"device": [], "execution": ["numpy"]}


@pytest.mark.usefixtures("amd")
def test_an_execution_mode_that_nobody_has_is_refused() -> None:
    with pytest.raises(ValueError, match="numpy has no execution mode 'fast'"):
        executions_of(["numpy", "torch"], "fast")
    assert executions_of(["numpy", "torch"], "default") == dict.fromkeys(
        ["numpy", "torch"], "default"
    )


def test_a_device_applies_where_it_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    has: dict[str, list[str] | None] = {
        "numpy": ["cpu"],
        "torch": ["cpu", "gpu:0", "gpu:1"],
        "broken": None,  # keeps the device: its row shows its error
    }
    monkeypatch.setattr(settings, "_devices_of", lambda backend, _: has[backend])
    asked = WorkerOptions("gpu:1")
    each = settle(list(has), asked)
    found = {name: options.device for name, options in each.items()}
    assert found == {"numpy": "cpu", "torch": "gpu:1", "broken": "gpu:1"}
    assert not_applied(asked, each)["device"] == ["numpy"]
    with pytest.raises(ValueError, match="got 'gpu:2': numpy has cpu; torch has cpu, gpu:0, gpu:1"):
        settle(["numpy", "torch"], WorkerOptions("gpu:2"))


def test_a_remark_names_the_rows() -> None:
    summary: dict[str, Any] = {"lockstep": [], "problem": None, "backends": {}, "device": "gpu:0"}
    summary |= {"execution": "fast", "not_applied": {"device": ["numpy", "mxnet"], "execution": []}}
    assert remarks(summary) == ["--device gpu:0 does not apply to NumPy, MXNet: cpu instead."]


def compare(tmp_path: Path, *arguments: str, env: dict[str, str]) -> Any:
    return subprocess.run(
        [
            *(sys.executable, "-m", "d2ldrop", "compare", *arguments, "--name", "n"),
            *("--dataset", "stand-in", "--train-size", "300", "--test-size", "50"),
            *("--num-epochs", "1", "--num-hiddens", "16", "8", "--lockstep-steps", "2"),
        ],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_comparison_on_a_device_that_one_backend_has(tmp_path: Path) -> None:
    env = install(tmp_path / "site", "honest")
    (tmp_path / "site" / "fake_honest.py").write_text(GPU)
    ended = compare(tmp_path, "numpy", "honest", "--device", "gpu", env=env)
    assert ended.returncode == 0, ended.stderr
    assert "--device gpu:0 does not apply to NumPy: cpu instead." in ended.stdout
    folder = tmp_path / "runs" / "n"
    devices = {
        name: json.loads((folder / name / "result.json").read_text())["device"]
        for name in ("numpy", "honest")
    }
    assert devices == {"numpy": "cpu", "honest": "gpu:0"}
    assert json.loads((folder / "summary.json").read_text())["not_applied"] == {
        "device": ["numpy"],
        "execution": [],
    }
    again = compare(tmp_path, "--device", "gpu", "--resume", env=env)
    assert again.returncode == 0, again.stderr


def test_a_device_that_no_backend_has_is_refused(tmp_path: Path) -> None:
    env = install(tmp_path / "site", "honest")
    ended = compare(tmp_path, "numpy", "honest", "--device", "gpu:3", env=env)
    assert ended.returncode == 2
    assert "--device must be one that a backend has here, got 'gpu:3'" in ended.stderr
    assert not (tmp_path / "runs").exists()
