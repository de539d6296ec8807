"""The worker's side: ``python -m d2ldrop.processes.worker FD`` runs one job.

The job comes as one JSON line on stdin. Reports go to the file descriptor FD, because frameworks
print on stdout. The last report is "done" or "error". The parent starts this module as a program
and never imports it.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import threading
import traceback
from typing import Any

PR_SET_PDEATHSIG = 1  # from Linux's <sys/prctl.h>


def main() -> None:
    """Run the job from stdin. Exit status 0: success; 1: an error, which has been reported."""
    die_with_parent()
    # Only now: these imports take a while, in which the parent may die.
    from d2ldrop.core.files import dump_json
    from d2ldrop.processes.jobs import Job

    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # the framework's child processes must not hold it
    reports = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")

    def emit(event: str, /, **values: Any) -> None:
        print(dump_json({"event": event, **values}), file=reports, flush=True)

    line = sys.stdin.readline()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        Job.from_dict(json.loads(line)).run(emit)
    except Exception as error:  # noqa: BLE001 - report every error to the parent
        traceback.print_exc()
        emit("error", message=f"{type(error).__name__}: {error}")
        sys.exit(1)
    emit("done")


def die_with_parent() -> None:
    """Let the system kill this process when its parent dies (Linux).

    A thread that waits for the end of stdin is not enough: it cannot run while C code holds
    Python's lock, or while this process is stopped. For the system, the parent is the thread that
    started this process.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before this call. Then nobody holds the other end of stdin.
    stdin = select.poll()
    stdin.register(0, 0)
    if any(event & select.POLLHUP for _, event in stdin.poll(0)):
        os._exit(1)


def _end_with_parent() -> None:
    """End this process when stdin closes, which happens when the parent ends."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
