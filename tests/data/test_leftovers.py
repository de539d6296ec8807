"""What an interrupted download leaves, and what the next one removes."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from d2ldrop.data import download
from d2ldrop.data.places import cache_dir
from tests.data.hostile import GOOD, LENGTH, ODD, SMALL, Mirror, Visit

NAME = f"{SMALL.name}.gz"
HOST = platform.node()
ROOT = Path(__file__).parents[2]
DOWNLOAD = """
import sys
import d2ldrop.data.download as download
from tests.data.hostile import SMALL
{before}
download.FILES = (SMALL,)
download.download([sys.argv[1]], quiet=True)
"""
STOP_WHILE_WRITING = """
def write_half(path, content):
    path.write_bytes(content[: len(content) // 2])
    print("written", flush=True)
    sys.stdin.read()

download.write_bytes = write_half
"""


def start(mirror: Mirror, before: str = "") -> subprocess.Popen[bytes]:
    """A process that downloads one small file."""
    return subprocess.Popen(
        [sys.executable, "-c", DOWNLOAD.format(before=before), f"http://{mirror.address}/"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_ctrl_c_in_the_middle_of_a_download_leaves_nothing() -> None:
    half = threading.Event()

    def send_half(visit: Visit) -> None:
        visit.send(LENGTH, body=GOOD[:9000])
        half.set()
        visit.wait()

    mirror = Mirror(send_half)
    process = start(mirror)
    assert half.wait(60)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    mirror.close()
    assert b"KeyboardInterrupt" in stderr
    assert list(cache_dir().iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="elsewhere, age alone tells")
def test_what_a_killed_download_leaves_is_removed_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mirror = Mirror(ODD["with its length"])
    process = start(mirror, STOP_WHILE_WRITING)
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    (private,) = cache_dir().iterdir()
    monkeypatch.setattr(download, "FILES", (SMALL,))
    download.download([f"http://{mirror.address}/"])
    assert private.exists()  # its owner is alive
    process.kill()
    process.communicate(timeout=60)
    (cache_dir() / NAME).unlink()
    download.download([f"http://{mirror.address}/"])
    mirror.close()
    assert [path.name for path in cache_dir().iterdir()] == [NAME]


def folder(path: Path) -> None:
    path.mkdir()
    (path / NAME).write_bytes(b"half")


def file(path: Path) -> None:
    path.write_bytes(b"half")


def link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "kept", target_is_directory=True)


DEAD = 2**31 - 2  # above the largest process id
LEFTOVERS: dict[str, tuple[str, Callable[[Path], None], float, bool]] = {
    "of this process": (f".download-{HOST}-{os.getpid()}-x", folder, 0, True),
    "of a process on another host": (f".download-no-such-{HOST}-{DEAD}-x", folder, 0, True),
    "of an unknown owner": (".download-abcdefgh", folder, 0, True),
    "no process id": (f".download-{HOST}-x-x", folder, 0, True),
    "a file of another program": (".other-abcdefgh", file, 7200, True),
    "two hours old": (".download-abcdefgh", folder, 7200, False),
    "two hours old, of this process": (f".download-{HOST}-{os.getpid()}-x", folder, 7200, False),
    "a file, two hours old": (".download-abcdefgh", file, 7200, False),
}
if os.name == "posix":
    LEFTOVERS |= {
        "of a dead process": (f".download-{HOST}-{DEAD}-x", folder, 0, False),
        "of an impossible process": (f".download-{HOST}-{10**30}-x", folder, 0, False),
        "of the first process": (f".download-{HOST}-1-x", folder, 0, True),
        "a link": (f".download-{HOST}-{DEAD}-x", link, 0, False),
    }


@pytest.mark.parametrize("case", LEFTOVERS)
def test_leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    name, make, age, stays = LEFTOVERS[case]
    kept = cache_dir().parent / "kept"
    kept.mkdir(parents=True)
    file(kept / NAME)
    cache_dir().mkdir()
    path = cache_dir() / name
    make(path)
    if age:
        then = time.time() - age
        os.utime(path, (then, then))
    monkeypatch.setattr(download, "FILES", ())
    download.download()
    assert os.path.lexists(path) is stays
    assert (kept / NAME).exists()
