"""One worker process a job: start it, hear its reports, and survive whatever becomes of it.

A worker that dies, by a signal too, or falls silent, raises ``WorkerFailedError`` here and harms
nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

Event = dict[str, Any]
OnEvent = Callable[[Event], None]


class WorkerFailedError(Exception):
    """The job did not end well; the message is one line that says how."""


def run_worker(
    job: dict[str, Any],
    on_event: OnEvent,
    *,
    log: Path,
    timeout: float,
    python: str | Path = sys.executable,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run one job in a process of its own; return when it has ended well.

    Args:
        job: what ``_worker`` is to do.
        on_event: called with each report.
        log: where what the framework prints is kept.
        timeout: seconds without a report after which the worker counts as hung.
        python: the interpreter; it must have d2ldrop and the framework.
        environment: variables added to this process's.

    Raises:
        WorkerFailedError: an error in the worker, its death, or its silence.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    reading_end, writing_end = os.pipe()
    try:
        with log.open("wb") as log_file:
            process = subprocess.Popen(
                [python, "-m", "d2ldrop.processes.worker", str(writing_end)],
                env={
                    **os.environ,
                    **environment,
                    "PYTHONSAFEPATH": "1",  # no module of the current folder
                },
                stdin=subprocess.PIPE,
                stdout=log_file,
                stderr=log_file,
                pass_fds=[writing_end],
                start_new_session=True,  # Ctrl-C comes to this process alone, which ends the worker
            )
    except BaseException:
        os.close(reading_end)
        raise
    finally:
        os.close(writing_end)
    reports = os.fdopen(reading_end, encoding="utf-8", errors="backslashreplace")
    failure = None
    try:
        _tell(process, job)
        for event in _events(reports, timeout):
            if event["event"] == "error":
                failure = WorkerFailedError(event["message"])
            else:
                on_event(event)
        process.wait(timeout)
    except (TimeoutError, subprocess.TimeoutExpired):
        raise WorkerFailedError(f"hung: no sign of life for {timeout:g} s (--timeout)") from None
    finally:
        _end(process)
    if failure or process.returncode:
        raise failure or WorkerFailedError(_cause_of_death(process.returncode, log))


def _tell(process: subprocess.Popen[bytes], job: dict[str, Any]) -> None:
    """Send the job, one line. Stdin stays open: its end tells the worker that this process died."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once; its exit status tells the rest
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()


def _events(reports: IO[str], timeout: float) -> Iterator[Event]:
    """The worker's reports, until it ends them; TimeoutError after ``timeout`` silent seconds."""
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
        with contextlib.suppress(json.JSONDecodeError):  # cut off by the worker's death
            yield json.loads(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of the worker behind, its children included."""
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
