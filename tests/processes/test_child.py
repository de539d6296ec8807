"""A child process dies with its parent, whatever it is doing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARENT = """
import pathlib, sys
from tests.processes.test_launcher import TryJob, run_job, WorkerOptions
say = lambda event: print(event.get("pid"), flush=True)
run_job(TryJob("numpy", sys.argv[1]), WorkerOptions(), say, log=pathlib.Path(sys.argv[2]))
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


@pytest.fixture
def family(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The process ids of a parent and its worker, which does ``request.param``."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, request.param, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        env=environment(),
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        try:
            yield parent.pid, worker
        finally:
            for process in (parent.pid, worker):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)


def is_gone(process: int) -> bool:
    """Whether the process has ended; a zombie, which nobody has waited for, has ended."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"


def wait_until_gone(process: int) -> None:
    end = time.monotonic() + 60
    while not is_gone(process):
        assert time.monotonic() < end, "it lives on"
        time.sleep(0.05)


@linux
@pytest.mark.parametrize("family", ["hang", "hold the lock"], indirect=True)
@pytest.mark.parametrize("stopped", [False, True])
def test_a_worker_dies_with_its_parent(family: tuple[int, int], stopped: bool) -> None:
    parent, worker = family
    time.sleep(0.3)  # so that it is in the middle of its work
    if stopped:
        os.kill(worker, signal.SIGSTOP)
    assert not is_gone(worker)
    os.kill(parent, signal.SIGKILL)
    wait_until_gone(worker)


@linux
@pytest.mark.parametrize("closed", [False, True])
def test_a_parent_that_died_before_is_noticed(closed: bool) -> None:
    """Then it holds the other end of stdin no longer."""
    code = (
        "from d2ldrop.processes.worker import die_with_parent\ndie_with_parent()\nprint('goes on')"
    )
    reading, writing = os.pipe()
    if closed:
        os.close(writing)
    out = subprocess.run(
        [sys.executable, "-c", code], stdin=reading, capture_output=True, text=True, check=False
    )
    os.close(reading)
    if not closed:
        os.close(writing)
    assert (out.returncode, out.stdout) == ((1, "") if closed else (0, "goes on\n"))
