"""Kill runs at random moments, resume them, and compare the bytes with those of a quiet run.

``python -m tests.faults.kills 100 numpy torch`` kills 100 runs of each of these backends. Each run
is started with ``d2ldrop train``, killed with its whole process group, and resumed until it is
finished. Moments and signals come from a seed, so they are the same each time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SMALL = "--dataset stand-in --train-size 8000 --test-size 500 --num-epochs 8"
RESULTS = ("weights.safetensors", "trace.npy")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
DIFFERENT = ("seconds", "peak_rss_bytes", "digest")
"""Fields of ``result.json`` that differ between two runs with the same numbers."""


def start(backend: str, out: Path, name: str, *, resume: bool) -> subprocess.Popen[bytes]:
    """Start ``d2ldrop train`` in a process group of its own."""
    words = ["train", backend, *SMALL.split(), "--batch-size", "64", "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, "-m", "d2ldrop", *words, "--name", name, *(["--resume"] * resume)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(backend: str, out: Path, name: str, *, resume: bool) -> float:
    """Run to the end; return the seconds that it took."""
    began = time.monotonic()
    process = start(backend, out, name, resume=resume)
    _, errors = process.communicate()
    if process.returncode:
        raise AssertionError(f"exit {process.returncode}: {errors.decode(errors='replace')}")
    return time.monotonic() - began


def content(folder: Path) -> dict[str, Any]:
    """The bytes of a finished run, and its ``result.json`` without times and memory."""
    result = json.loads((folder / "result.json").read_text())
    for epoch in result["epochs"]:
        epoch.pop("seconds")
    kept = {key: value for key, value in result.items() if key not in DIFFERENT}
    return {"result": kept, **{name: (folder / name).read_bytes() for name in RESULTS}}


def kill_and_resume(
    backend: str, out: Path, name: str, seconds: float, moments: random.Random
) -> str:
    """Start a run, kill it at a random moment of ``seconds``, and resume it to its end.

    Returns:
        The signal, and what the folder held when the run was killed.
    """
    sent = moments.choice(SIGNALS)
    process = start(backend, out, name, resume=False)
    time.sleep(moments.uniform(0, seconds))
    if sent in (signal.SIGKILL, signal.SIGHUP):
        os.killpg(process.pid, sent)
    else:
        process.send_signal(sent)
    process.communicate()
    folder = out / name / backend
    states = ("result.json", "checkpoint.safetensors", "worker.log")
    state = next((state for state in states if (folder / state).exists()), "nothing")
    finish(backend, out, name, resume=(out / name).exists())
    return f"{sent.name} with {state}"


def kills(number: int, backends: Sequence[str], seed: int = 0) -> tuple[Counter[str], list[str]]:
    """Kill ``number`` runs of each backend; return the cases, and a line for each failure."""
    cases: Counter[str] = Counter()
    failures = []
    for backend in backends:
        moments = random.Random(f"{backend} {seed}")
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch)
            seconds = finish(backend, out, "whole", resume=False)
            whole = content(out / "whole" / backend)
            for run in range(number):
                name = f"run-{run}"
                try:
                    cases[kill_and_resume(backend, out, name, seconds, moments)] += 1
                    if content(out / name / backend) != whole:
                        failures.append(f"{backend} {name}: other bytes")
                except (AssertionError, OSError) as error:
                    failures.append(f"{backend} {name}: {error}")
                hidden = [path for path in (out / name).rglob(".*") if path.name != ".lock"]
                if hidden:
                    failures.append(f"{backend} {name}: left {hidden}")
    return cases, failures


if __name__ == "__main__":
    counted, failed = kills(int(sys.argv[1]), sys.argv[2:] or ["numpy"])
    for case, times in sorted(counted.items()):
        print(f"{times:6} {case}")
    print(f"{counted.total()} kills, {len(failed)} failures", *failed, sep="\n")
    sys.exit(1 if failed else 0)
