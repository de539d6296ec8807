"""The parent's side: run one job in its own worker process.

If a worker crashes, raises an error or hangs, ``run_job`` raises ``WorkerFailedError``. Other
workers are not affected.
"""

from __future__ import annotations

import json
import queue
import signal
from collections.abc import Callable
from pathlib import Path

from d2ldrop.processes.child import Child
from d2ldrop.processes.jobs import Job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.reports import Event, parse_report
from d2ldrop.processes.scratch import remove_partial_files, scratch_folder
from d2ldrop.processes.worker_log import WorkerLog, plain

__all__ = ["Event", "OnEvent", "WorkerFailedError", "run_job"]
OnEvent = Callable[[Event], None]
SECONDS_TO_END = 10
"""The time for a worker to end after its last report. Then it is killed: its work is done."""
SLICE = 1.0
"""Seconds of one wait, at most. A wait counts once, even if this process is suspended meanwhile."""


class WorkerFailedError(Exception):
    """A worker did not finish its job; the message is one line that says why.

    Attributes:
        cause: the message without the name of the log.
    """

    def __init__(self, cause: str, log: Path | None = None) -> None:
        super().__init__(f"{cause} (see {log})" if log else cause)
        self.cause = cause


def run_job(job: Job, options: WorkerOptions, on_event: OnEvent, *, log: Path) -> None:
    """Run ``job`` in its own process, and return when it is done.

    The worker's temporary files are removed at the end.

    Args:
        job: the work; ``job.backend`` decides the interpreter and the environment.
        options: the settings of the worker.
        on_event: called with each report.
        log: the file for the output of the framework, of which the beginning and the end are kept;
            its folder is created. No other process or thread may write into that folder.

    Raises:
        WorkerFailedError: the worker raised an error, died, was silent for ``options.timeout``
            seconds, or did not report that its work is done.
        OSError: the interpreter cannot be started, or the log cannot be written.
    """
    remove_partial_files(log.parent)
    with scratch_folder() as temporary, WorkerLog(log) as output:
        environment = {
            **options.environment(job.backend),
            "PYTHONSAFEPATH": "1",  # do not import from the current folder
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
        }
        worker = [options.python(job.backend), "-m", "d2ldrop.processes.worker"]
        child = Child(worker, environment)
        try:
            lines = child.listen(output.write)
            child.send(json.dumps(job.to_dict()).encode() + b"\n")
            finished = _hear(lines, options.timeout, job, on_event)
        except _UnreadableReportError as error:
            raise WorkerFailedError(f"{error}; {_expected(job, options)}", log) from None
        finally:
            child.end()
        if not finished:
            status = child.process.returncode
            raise WorkerFailedError(_cause_of_death(status, output, job, options), log)


class _UnreadableReportError(Exception):
    """A worker's report cannot be read."""


def _hear(
    lines: queue.SimpleQueue[bytes | None], timeout: float, job: Job, on_event: OnEvent
) -> bool:
    """Pass on the reports until the worker ends; return whether its work is done.

    Raises:
        WorkerFailedError: the worker reported an error, or was silent for ``timeout`` seconds.
    """
    heard: set[str] = set()
    failure = None
    silence = 0.0
    while True:
        last = failure or "done" in heard
        patience = SECONDS_TO_END if last else timeout
        wait = min(SLICE, patience / 4)
        try:
            line = lines.get(timeout=wait)
        except queue.Empty:
            silence += wait
            if silence < patience:
                continue
            if not last:
                raise WorkerFailedError(
                    f"hung: no report for {timeout:g} s (timeout, --timeout)"
                ) from None
            line = None  # it does not end, but its work is done
        if line is None:
            break
        silence = 0.0
        try:
            event = parse_report(line)
        except ValueError as error:
            raise _UnreadableReportError(str(error)) from None
        heard.add(event["event"])
        if event["event"] == "error":
            failure = WorkerFailedError(plain(event["message"], 2000))
        elif event["event"] != "done":
            on_event(event)
    if failure:
        raise failure
    return "done" in heard and (job.answer is None or job.answer in heard)


def _cause_of_death(status: int, output: WorkerLog, job: Job, options: WorkerOptions) -> str:
    if status < 0:
        return f"killed by {_signal_name(-status)}"
    last = output.last_line()
    said = f": {last}" if last else ""
    if status == 0:
        return f"exit status 0, but its work is not done{said}; {_expected(job, options)}"
    return f"exit status {status}{said}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a signal without a name, such as 40
        return f"signal {number}"


def _expected(job: Job, options: WorkerOptions) -> str:
    return f"{options.python(job.backend)} must be a Python interpreter with this d2ldrop"
