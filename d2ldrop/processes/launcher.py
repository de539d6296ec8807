"""The parent's side: run one job in its own worker process.

If a worker crashes, raises an error or hangs, ``run_job`` raises ``WorkerFailedError``. Other
workers are not affected.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from d2ldrop.processes.jobs import Job
from d2ldrop.processes.options import WorkerOptions

Event = dict[str, Any]
"""A report of a worker: its values, and its name under the key "event"."""
OnEvent = Callable[[Event], None]


class WorkerFailedError(Exception):
    """A worker did not finish its job; the message is one line that says why."""


def run_job(job: Job, options: WorkerOptions, on_event: OnEvent, *, log: Path) -> None:
    """Run ``job`` in its own process, and return when it is done.

    Args:
        job: the work; ``job.backend`` decides the interpreter and the environment.
        options: the settings of the worker.
        on_event: called with each report.
        log: the file for the output of the framework; its folder is created.

    Raises:
        WorkerFailedError: the worker raised an error, died, or was silent for
            ``options.timeout`` seconds.
        OSError: the interpreter cannot be started, or the log cannot be written.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process, reports = _start(
            options.python(job.backend), options.environment(job.backend), output
        )
    failure = None
    try:
        _send(process, job)
        for event in _events(reports, options.timeout):
            if event["event"] == "error":
                failure = WorkerFailedError(event["message"])
            else:
                on_event(event)
        process.wait(options.timeout)
    except (TimeoutError, subprocess.TimeoutExpired):
        raise WorkerFailedError(
            f"hung: no report for {options.timeout:g} s (timeout, --timeout)"
        ) from None
    finally:
        _end(process)
    if failure or process.returncode:
        raise failure or WorkerFailedError(_cause_of_death(process.returncode, log))


def _start(
    python: str, environment: Mapping[str, str], output: IO[bytes]
) -> tuple[subprocess.Popen[bytes], IO[str]]:
    """A new worker, which waits for its job, and the stream of its reports."""
    reading_end, writing_end = os.pipe()
    try:
        process = subprocess.Popen(
            [python, "-m", "d2ldrop.processes.worker", str(writing_end)],
            env={**environment, "PYTHONSAFEPATH": "1"},  # do not import from the current folder
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[writing_end],
            start_new_session=True,  # Ctrl-C reaches only the parent; it ends the worker
        )
    except BaseException:
        os.close(reading_end)
        raise
    finally:
        os.close(writing_end)
    return process, os.fdopen(reading_end, encoding="utf-8", errors="backslashreplace")


def _send(process: subprocess.Popen[bytes], job: Job) -> None:
    """Send the job as one line. Stdin stays open: the worker ends when the parent closes it."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # the worker died; its exit status says why
        process.stdin.write(json.dumps(job.to_dict()).encode() + b"\n")
        process.stdin.flush()


def _events(reports: IO[str], timeout: float) -> Iterator[Event]:
    """The worker's reports until it closes the stream; TimeoutError after ``timeout`` seconds."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        with reports:
            for line in reports:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None
        if line is None:
            return
        with contextlib.suppress(json.JSONDecodeError):  # the worker died while it wrote this line
            yield json.loads(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the worker and its children, if any are left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def _cause_of_death(returncode: int, log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    last = f": {lines[-1].strip()[:200]}" if lines else ""
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name} (see {log})"
    return f"exit status {returncode}{last} (see {log})"
