"""Every command can run a framework of another environment with --python."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from d2ldrop import available_backends
from d2ldrop.processes.interpreters import check_backends, parse_pythons, usable_backends
from tests.cli.test_cli import SMALL, d2ldrop
from tests.fakes import install

Elsewhere = tuple[dict[str, str], str]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    """An environment without the framework "honest", and the --python option that finds it."""
    env = install(tmp_path / "site", "honest")
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "site" / "honest.py").rename(other / "honest.py")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={other}:$PYTHONPATH exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return env, f"honest={python}"


def test_an_interpreter_adds_its_backend_to_the_default_set() -> None:
    assert usable_backends({}) == available_backends()
    assert usable_backends({"numpy": sys.executable}) == available_backends()
    added = usable_backends({"mxnet": sys.executable, "honest": sys.executable})
    assert set(added) == {*available_backends(), "mxnet", "honest"}
    assert added[0] == "numpy"
    assert added[-1] == "honest"
    assert check_backends(None, {"numpy": sys.executable}) == available_backends()


def test_interpreters_are_parsed() -> None:
    assert parse_pythons(["mxnet=/a/python", "torch=b=c"]) == {"mxnet": "/a/python", "torch": "b=c"}
    assert parse_pythons(["mxnet=~/python"]) == {"mxnet": str(Path.home() / "python")}
    for item in ("numpy", "numpy=", "=/a/python"):
        with pytest.raises(ValueError, match=f"--python must be BACKEND=PATH, got '{item}'"):
            parse_pythons([item])
    with pytest.raises(ValueError, match="--python names numpy twice"):
        parse_pythons(["numpy=a", "numpy=b"])


def test_every_command_accepts_an_interpreter(tmp_path: Path, elsewhere: Elsewhere) -> None:
    env, python = elsewhere
    options: dict[str, Any] = {"cwd": tmp_path, "env": {**env, "COLUMNS": "200"}}
    assert "not installed: pip install honest" in d2ldrop("backends", **options)[0]
    assert "ready (--python)" in d2ldrop("backends", "--python", python, **options)[0]

    train = ("train", "honest", *SMALL, "--name", "n")
    assert "backend 'honest' needs honest" in d2ldrop(*train, status=2, **options)[1]
    d2ldrop(*train, "--python", python, **options)
    weights = "runs/n/honest/weights.safetensors"
    evaluate = ("evaluate", weights, "--backend", "honest", *SMALL[:2], "--test-size", "100")
    d2ldrop(*evaluate, "--python", python, **options)

    where = ("--name", "m", "--python", python)
    d2ldrop("compare", "numpy", "honest", *SMALL, "--lockstep-steps", "2", *where, **options)
    summary = json.loads((tmp_path / "runs" / "m" / "summary.json").read_text())
    assert summary["backends"]["honest"]["status"] == "ok"
    assert summary["left_out"] == {}

    startup = ("bench", "startup", "honest", "--dataset", "stand-in", "--rounds", "1")
    d2ldrop(*startup, "--name", "b", "--python", python, **options)
    few = ("--seeds", "1", "--num-epochs", "1", "--name", "e")
    experiment = ("experiment", "float32-chaos", "--backend", "honest", *SMALL, *few)
    d2ldrop(*experiment, "--python", python, **options)
    assert (tmp_path / "runs" / "e" / "result.json").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("train", "numpy"),
        ("compare", "numpy"),
        ("bench", "startup", "numpy"),
        ("experiment", "swap-dropout"),
        ("evaluate", "no.safetensors", "--backend", "numpy"),
        ("backends",),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("numpy", "--python must be BACKEND=PATH, got 'numpy'"),
        ("numpy=/no/python", "/no/python (--python), does not run"),
        ("numpy=/bin/false", "/bin/false (--python), cannot load d2ldrop"),
        ("numpy=/bin/true", "/bin/true (--python), is not a Python interpreter: it printed ''"),
        (f"numpi={sys.executable}", "did you mean 'numpy'"),
    ],
)
def test_a_bad_interpreter_is_refused_before_work_begins(
    tmp_path: Path, command: tuple[str, ...], python: str, message: str
) -> None:
    stdout, stderr = d2ldrop(*command, "--python", python, status=2, cwd=tmp_path)
    assert message in stderr
    assert stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_interpreter_for_an_unused_backend_is_refused(tmp_path: Path) -> None:
    """An experiment refuses it, too, although its arms decide which backends run."""
    for command in (("train", "numpy"), ("compare", "numpy"), ("experiment", "swap-dropout")):
        python = f"{available_backends()[-1]}={sys.executable}"
        _, stderr = d2ldrop(*command, *SMALL, "--python", python, status=2, cwd=tmp_path)
        assert "is not among the backends to run: numpy" in stderr
    assert list(tmp_path.iterdir()) == []
