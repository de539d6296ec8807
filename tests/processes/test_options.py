"""The settings that all workers of a run share."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from d2ldrop import available_backends
from d2ldrop.processes.options import WorkerOptions


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("device", "tpu", ValueError, "device must be cpu, gpu or gpu:N, got 'tpu'"),
        ("threads", 0, ValueError, "threads must be a positive integer, got 0"),
        ("threads", -1, ValueError, "threads must be a positive integer, got -1"),
        ("threads", "2", TypeError, "threads must be a positive integer, got '2' of type str"),
        ("threads", 100_000, ValueError, "threads must be at most 64 on this machine with 2 cores"),
        ("threads", 65, ValueError, "threads must be at most 64 on this machine .* got 65"),
        ("execution", "quick", ValueError, "execution must be one of default, fast, got 'quick'"),
        ("timeout", 0, ValueError, "timeout must be a positive number of seconds, got 0"),
        ("timeout", float("nan"), ValueError, "timeout must be .* got nan"),
        ("timeout", float("inf"), ValueError, "timeout must be .* got inf"),
        ("timeout", "8", TypeError, "timeout must be .* got '8' of type str"),
        ("pythons", ["numpy=python"], TypeError, "pythons must map a backend's name to"),
    ],
)
def test_every_field_is_checked(
    monkeypatch: pytest.MonkeyPatch,
    field: str,
    value: object,
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr("d2ldrop.processes.options.cores", lambda: 2)
    arguments: dict[str, Any] = {field: value}
    with pytest.raises(error, match=message):
        WorkerOptions(**arguments)


def test_fields_are_normalised_and_copied() -> None:
    pythons: dict[str, Any] = {"numpy": Path("/a/python")}
    options = WorkerOptions("gpu", 2, timeout=5, pythons=pythons)
    pythons["torch"] = "/b/python"
    assert options.device == "gpu:0"
    assert options.pythons == {"numpy": "/a/python"}
    assert pickle.loads(pickle.dumps(options)) == options  # a cluster receives pickled options


def test_the_options_determine_the_interpreter_and_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    options = WorkerOptions(threads=3, pythons={"mxnet": "/a/python"})
    assert options.python("mxnet") == "/a/python"
    assert options.python("numpy") == sys.executable
    assert options.environment("numpy")["OMP_NUM_THREADS"] == "3"
    assert WorkerOptions().environment("numpy")["OMP_NUM_THREADS"] == "7"
    assert options.environment("numpy")["PATH"] == os.environ["PATH"]


def test_backends_are_checked_before_work_begins() -> None:
    assert WorkerOptions().choose_backends() == available_backends()
    assert WorkerOptions().choose_backends(["numpy", "numpy"]) == ["numpy"]
    with pytest.raises(ValueError, match="NumPy has no execution mode 'fast'"):
        WorkerOptions(execution="fast").choose_backends(["numpy"])
    with pytest.raises(ValueError, match=r"/no/python \(--python\), does not run"):
        WorkerOptions(pythons={"numpy": "/no/python"}).choose_backends(["numpy"])
    with pytest.raises(ValueError, match="unknown backend 'numpi'"):
        WorkerOptions().choose_backends(["numpi"])
    with pytest.raises(TypeError, match="backends must be a sequence of names, got 'numpy'"):
        WorkerOptions().choose_backends("numpy")


def test_the_limit_of_threads_grows_with_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WorkerOptions(threads=64).threads == 64
    monkeypatch.setattr("d2ldrop.processes.options.cores", lambda: 32)
    assert WorkerOptions(threads=128).threads == 128
    with pytest.raises(ValueError, match="at most 128 on this machine with 32 cores, got 129"):
        WorkerOptions(threads=129)
