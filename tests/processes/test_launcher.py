"""Worker processes that finish, fail, crash and hang. They run the jobs of this file."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
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
    """Report the process, then do ``what``."""

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
            case "hold the lock":  # as C code does that keeps Python's lock
                ctypes.PyDLL(None).sleep(600)
            case "silent exit":
                sys.exit(0)
            case "signal 40":
                os.kill(os.getpid(), 40)
            case "child":
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            case "escaped child":
                sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
                subprocess.Popen(sleep, start_new_session=True)
            case "fork":  # the copy holds the pipe of the reports, too
                if os.fork() == 0:
                    time.sleep(600)
            case "hang at exit":
                threading.Thread(target=time.sleep, args=(600,)).start()
            case "error at exit":
                threading.Thread(target=time.sleep, args=(600,)).start()
                raise RuntimeError("first")
            case "crash at exit":
                atexit.register(os.kill, os.getpid(), signal.SIGSEGV)
            case "wait":
                while not Path(os.environ["WAIT_FOR"]).exists():
                    time.sleep(0.05)
            case "lines":
                raise RuntimeError("several\n\nlines \x1b[31m")
            case "temporary":
                emit("folder", folder=tempfile.mkdtemp(prefix="autograph-"))
                os._exit(1)


def attempt(
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    events: list[Event] | None = None,
    **options: Any,
) -> list[Event]:
    """Run the job in a worker, which finds this module; what it reported, added to ``events``."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    events = [] if events is None else events
    run_job(
        TryJob("numpy", what),
        WorkerOptions(**options),
        events.append,
        log=tmp_path / "folder" / "worker.log",
    )
    return events


def test_a_job_runs_in_its_own_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        (
            "silent exit",
            r"^exit status 0, but its work is not done: a framework prints .*; .* d2ld",
        ),
        ("signal 40", r"^killed by signal 40 \(see .*worker.log\)$"),
        ("lines", r"^RuntimeError: several lines \[31m$"),
        ("error at exit", "^RuntimeError: first$"),
    ],
)
def test_the_error_of_a_worker_has_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, message: str
) -> None:
    monkeypatch.setattr("d2ldrop.processes.launcher.SECONDS_TO_END", 1)
    with pytest.raises(WorkerFailedError, match=message):
        attempt(what, tmp_path, monkeypatch, timeout=2 if what == "hang" else 60)


def test_a_missing_interpreter_raises_file_not_found_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError):
        attempt("finish", tmp_path, monkeypatch, pythons={"numpy": "/no/python"})


def test_the_parent_does_not_import_the_entry_point_of_the_worker() -> None:
    code = (
        "import sys, d2ldrop.cli.main, d2ldrop.comparison.runner\n"
        "assert 'd2ldrop.processes.worker' not in sys.modules\n"
    )
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0


@pytest.mark.parametrize(
    "what", ["child", "escaped child", "fork", "hang at exit", "crash at exit"]
)
def test_a_worker_whose_work_is_done_has_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Whatever it leaves behind: the timeout is far away, so a wait for it would be seen."""
    monkeypatch.setattr("d2ldrop.processes.launcher.SECONDS_TO_END", 1)
    begin = time.monotonic()
    assert [event["event"] for event in attempt(what, tmp_path, monkeypatch)] == ["here"]
    assert time.monotonic() - begin < 200


def test_what_a_killed_framework_leaves_in_the_temporary_folder_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    events: list[Event] = []
    with pytest.raises(WorkerFailedError, match="exit status 1"):
        attempt("temporary", tmp_path, monkeypatch, events)
    made = Path(events[-1]["folder"])
    assert made.parent.parent == tmp_path
    assert not made.parent.exists()


def test_the_time_of_a_suspended_parent_does_not_count(tmp_path: Path) -> None:
    """It is stopped for longer than its timeout, while its worker reports nothing."""
    code = (
        "import pathlib\n"
        "from tests.processes.test_launcher import TryJob, run_job, WorkerOptions\n"
        "say = lambda event: print(event['event'], flush=True)\n"
        f"log = pathlib.Path({str(tmp_path / 'log')!r})\n"
        "run_job(TryJob('numpy', 'wait'), WorkerOptions(timeout=6), say, log=log)\n"
    )
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "WAIT_FOR": str(tmp_path / "go")}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"here\n"
        parent.send_signal(signal.SIGSTOP)
        time.sleep(7)
        parent.send_signal(signal.SIGCONT)
        time.sleep(0.5)  # so that the parent goes on before the worker does
        (tmp_path / "go").touch()
        assert parent.wait(60) == 0
