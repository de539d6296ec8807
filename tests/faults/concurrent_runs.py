"""Start two runs at the same moment in one folder, many times, and count what they report.

``python -m tests.faults.concurrent_runs 100`` makes 100 rounds. In a round two processes with
different seeds start ``d2ldrop train`` or ``d2ldrop compare``, with a default name or with the
same name. Each must print the loss of its own seed, or be refused.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SMALL = "--dataset stand-in --train-size 512 --test-size 100 --num-epochs 2 --num-hiddens 16 16"
SMALL += " --batch-size 16"
SEEDS = ("1", "2")


def start(command: Sequence[str], seed: str, out: Path) -> subprocess.Popen[str]:
    """Start ``d2ldrop`` with a small recipe."""
    words = [*command, *SMALL.split(), "--seed", seed, "--out", str(out), "--quiet"]
    return subprocess.Popen(
        [sys.executable, "-m", "d2ldrop", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_pair(command: Sequence[str], out: Path) -> list[tuple[int, str, str, int]]:
    """Start ``command`` with both seeds at once; return status, stdout, stderr, id of each."""
    processes = [start(command, seed, out) for seed in SEEDS]
    outputs = [process.communicate() for process in processes]
    return [
        (process.returncode, *output, process.pid)
        for process, output in zip(processes, outputs, strict=True)
    ]


def reported_loss(command: str, stdout: str) -> str:
    """The train loss that a command has printed, with four digits."""
    if command == "compare":
        summary: dict[str, Any] = json.loads(stdout)
        return f"{summary['backends']['numpy']['train_loss']:.4f}"
    match = re.search(r"train loss (\S+),", stdout)
    assert match, stdout
    return match[1]


def judge(
    pair: Sequence[tuple[int, str, str, int]], command: str, losses: Sequence[str], named: bool
) -> str:
    """The verdict on a pair: "both", "one refused", or "false" and what was wrong."""
    finished = [status == 0 for status, *_ in pair]
    for (status, stdout, stderr, _), loss, (*_, other) in zip(
        pair, losses, reversed(pair), strict=True
    ):
        if status == 0 and reported_loss(command, stdout) != loss:
            return f"false: printed the loss {reported_loss(command, stdout)}, not {loss}"
        if status != 0:
            text = " ".join(stderr.split())
            in_use = f"in use by process {other}:" in text
            if status != 2 or not (in_use or "holds a finished run" in text or "holds a c" in text):
                return f"false: exit {status}, {text}"
    if named:
        return "one refused" if sum(finished) == 1 else f"false: {sum(finished)} finished"
    return "both" if all(finished) else "false: a default name was refused"


def concurrent_runs(rounds: int) -> Counter[str]:
    """Run all four cases ``rounds`` times; count the verdicts."""
    verdicts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for command in (["train", "numpy"], ["compare", "numpy", "--json"]):
            alone = [start(command, seed, folder / "alone").communicate()[0] for seed in SEEDS]
            losses = [reported_loss(command[0], stdout) for stdout in alone]
            assert losses[0] != losses[1]
            for number in range(rounds):
                out = folder / f"{command[0]}-{number}"
                for name in ([], ["--name", "same"]):
                    pair = run_pair([*command, *name], out)
                    verdict = judge(pair, command[0], losses, bool(name))
                    verdicts[f"{command[0]}{' --name' if name else ''}: {verdict}"] += 1
    return verdicts


if __name__ == "__main__":
    for verdict, number in sorted(concurrent_runs(int(sys.argv[1])).items()):
        print(f"{number:6} {verdict}")
