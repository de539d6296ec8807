"""Train onto full and read-only disks, make room, resume, and compare the bytes.

``python -m tests.faults.disks 40`` tries 40 sizes of a disk, from nearly nothing to enough. Each
disk is a memory file system in a private mount namespace (``unshare``, util-linux).
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.faults.kills import content

SMALL = "--dataset stand-in --train-size 600 --test-size 100 --num-epochs 2 --num-hiddens 16 16"
NEEDED = 400 * 1024
"""Bytes that a run with this recipe needs at most, its temporary copies included."""


def available() -> bool:
    """Whether this user may mount a file system in a namespace."""
    probe = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(probe, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def in_namespace(script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in which mounts are private."""
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def train(out: Path, *options: str) -> str:
    """The shell command of a small run into ``out``."""
    words = ["-m", "d2ldrop", "train", "numpy", *SMALL.split(), "--quiet"]
    return shlex.join([sys.executable, *words, "--out", str(out), "--name", "run", *options])


def try_full_disk(size: int, whole: Path, scratch: Path) -> str:
    """Train onto a disk of ``size`` bytes; then make it larger and resume.

    Returns:
        How the first run ended: "enough room", or "refused" and "interrupted" by a full disk.

    Raises:
        AssertionError: the error is not one line that says so, a file is left, or the resumed run
            has other bytes.
    """
    disk, saved = scratch / "disk", scratch / f"saved-{size}"
    disk.mkdir(exist_ok=True)
    ended = in_namespace(f"""
        mount -t tmpfs -o size={size} none {disk} || exit 99
        {train(disk)} > {scratch}/first.out 2> {scratch}/first.err
        echo status $?
        find {disk} -name '.*' -type f
        mount -o remount,size=100m {disk} || exit 99
        if [ -e {disk}/run ]; then resume=--resume; fi
        {train(disk)} $resume || exit 98
        cp -r {disk}/run/numpy {saved}
    """)
    assert ended.returncode == 0, ended.stderr
    status, *left = [line for line in ended.stdout.splitlines() if line.startswith(("status", "/"))]
    assert left == [], left
    errors = (scratch / "first.err").read_text().strip().splitlines()
    errors = [line for line in errors if not line.startswith("WARNING: ")]
    assert content(saved) == content(whole), "other bytes after the resume"
    if status == "status 0":
        assert errors == [], errors
        return "enough room"
    assert status in ("status 1", "status 2"), status
    assert len(errors) == 1, errors
    assert "No space left on device" in errors[0], errors
    return "interrupted" if status == "status 1" else "refused"


def try_read_only_disk(scratch: Path) -> str:
    """Train onto a read-only disk; it is refused in one line, before anything is trained."""
    disk = scratch / "disk"
    disk.mkdir(exist_ok=True)
    ended = in_namespace(f"mount -t tmpfs -o ro none {disk} || exit 99; {train(disk)}")
    errors = [line for line in ended.stderr.splitlines() if not line.startswith("WARNING: ")]
    assert ended.returncode == 2, (ended.returncode, ended.stderr)
    assert len(errors) == 1, errors
    assert "Read-only file system" in errors[0], errors
    return "read-only: refused"


def disks(sizes: Sequence[int]) -> Counter[str]:
    """Try a disk of each of the ``sizes`` in bytes, and a read-only one; count how runs ended."""
    cases: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        subprocess.run(shlex.split(train(scratch / "whole")), check=True, capture_output=True)
        for size in sizes:
            cases[try_full_disk(size, scratch / "whole" / "run" / "numpy", scratch)] += 1
        cases[try_read_only_disk(scratch)] += 1
    return cases


if __name__ == "__main__":
    number = int(sys.argv[1])
    for case, times in sorted(disks([NEEDED * (i + 1) // number for i in range(number)]).items()):
        print(f"{times:6} {case}")
