"""Worker processes that finish, fail, crash and hang; the jobs of this file run in them."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from d2ldrop.processes.jobs import Emit, Job
from d2ldrop.processes.launcher import Event, WorkerFailedError, run_job
from d2ldrop.processes.options import WorkerOptions

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class TryJob(Job):
    """Reports the process, then does ``what``."""

    what: str

    def run(self, emit: Emit) -> None:
        emit("here", pid=os.getpid(), threads=os.environ.get("OMP_NUM_THREADS"), nan=float("nan"))
        print("a framework prints what it likes", flush=True)
        match self.what:
            case "raise":
                raise RuntimeError("out of memory, say")
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(3)
            case "hang":
                time.sleep(600)


def attempt(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> list[Event]:
    """Run the job in a worker, which finds this module; what it reported."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    events: list[Event] = []
    run_job(
        TryJob("numpy", what),
        WorkerOptions(**options),
        events.append,
        log=tmp_path / "folder" / "worker.log",
    )
    return events


def test_a_job_runs_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (event,) = attempt("finish", tmp_path, monkeypatch, threads=3)
    assert event["pid"] != os.getpid()
    assert event == {"event": "here", "pid": event["pid"], "threads": "3", "nan": None}
    log = (tmp_path / "folder" / "worker.log").read_text()
    assert log == "a framework prints what it likes\n"


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("raise", "^RuntimeError: out of memory, say$"),
        ("crash", r"^killed by SIGSEGV \(see .*worker.log\)$"),
        ("exit", r"^exit status 3: a framework prints what it likes \(see .*worker.log\)$"),
        ("hang", r"^hung: no report for 2 s \(timeout, --timeout\)$"),
    ],
)
def test_a_worker_that_fails_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, message: str
) -> None:
    with pytest.raises(WorkerFailedError, match=message):
        attempt(what, tmp_path, monkeypatch, timeout=2 if what == "hang" else 60)


def test_an_interpreter_that_is_not_there_is_an_error_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError):
        attempt("finish", tmp_path, monkeypatch, pythons={"numpy": "/no/python"})


def test_the_parent_does_not_import_the_worker_s_entry_point() -> None:
    code = (
        "import sys, d2ldrop.cli.main, d2ldrop.comparison.runner\n"
        "assert 'd2ldrop.processes.worker' not in sys.modules\n"
    )
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
