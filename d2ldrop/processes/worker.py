"""The worker's side: ``python -m d2ldrop.processes.worker FD`` runs one job.

The job comes as one JSON line on stdin. Reports go to the file descriptor FD, because frameworks
print on stdout. Only this module's entry point is started; the parent never imports it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from typing import Any

from d2ldrop.core.files import dump_json
from d2ldrop.processes.jobs import Job


def main() -> None:
    """Run the job on stdin. Exit status 0: it is done; 1: it raised an error, which is reported."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # a child of the framework must not keep it open
    reports = os.fdopen(descriptor, "w", encoding="utf-8")

    def emit(event: str, /, **values: Any) -> None:
        print(dump_json({"event": event, **values}), file=reports, flush=True)

    line = sys.stdin.readline()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        Job.from_dict(json.loads(line)).run(emit)
    except Exception as error:  # noqa: BLE001 - the parent must hear of every error
        traceback.print_exc()
        emit("error", message=f"{type(error).__name__}: {error}")
        sys.exit(1)


def _end_with_parent() -> None:
    """End this process when stdin closes: the parent keeps it open as long as it lives."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
