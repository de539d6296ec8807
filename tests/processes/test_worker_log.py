"""The log of a worker: bounded, and never written through a link."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from d2ldrop.processes import worker_log
from d2ldrop.processes.worker_log import WorkerLog, plain


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_log, "BEGINNING", 100)
    monkeypatch.setattr(worker_log, "END", 20)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 119, 120])
@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_a_log_up_to_the_limit_is_whole(tmp_path: Path, size: int, chunk: int) -> None:
    content = bytes(i % 251 for i in range(size))
    with WorkerLog(tmp_path / "log") as log:
        for i in range(0, size, chunk):
            log.write(content[i : i + chunk])
    assert (tmp_path / "log").read_bytes() == content


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [121, 140, 141, 5000])
@pytest.mark.parametrize("chunk", [1, 7, 64, 10_000])
def test_a_longer_log_keeps_its_beginning_and_its_end(
    tmp_path: Path, size: int, chunk: int
) -> None:
    content = bytes(i % 251 for i in range(size))
    with WorkerLog(tmp_path / "log") as log:
        for i in range(0, size, chunk):
            log.write(content[i : i + chunk])
            assert len(log._recent) <= 2 * 20 + chunk
    between = f"\n[... {size - 120:,} bytes left out ...]\n".encode()
    assert (tmp_path / "log").read_bytes() == content[:100] + between + content[-20:]


def test_the_last_line_is_the_cause(tmp_path: Path) -> None:
    with WorkerLog(tmp_path / "log") as log:
        assert log.last_line() == ""
        log.write(b"x" * 3_000_000 + b"\nthe \x1b[31mcause\x1b[0m \xff\r\n\n  \n")
        assert log.last_line() == "the [31mcause [0m \N{REPLACEMENT CHARACTER}"
        log.write(b"10 %\r20 %\r")
        assert log.last_line() == "20 %"
        log.write(b"\n" + b"long " * 1000)
        assert len(log.last_line()) == 200


@pytest.mark.parametrize("plant", ["link", "hard link", "dangling link", "pipe", "old log"])
def test_what_lies_there_is_replaced_and_not_followed(tmp_path: Path, plant: str) -> None:
    victim, path = tmp_path / "victim", tmp_path / "log"
    victim.write_text("precious")
    match plant:
        case "link":
            path.symlink_to(victim)
        case "hard link":
            path.hardlink_to(victim)
        case "dangling link":
            path.symlink_to(tmp_path / "new")
        case "pipe":
            os.mkfifo(path)
        case "old log":
            path.write_text("a much longer text than the new one")
    with WorkerLog(path) as log:
        log.write(b"new")
    assert path.read_bytes() == b"new"
    assert not path.is_symlink()
    assert victim.read_text() == "precious"
    assert not (tmp_path / "new").exists()


def test_a_full_disk_is_no_error_and_the_cause_is_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def write(self, chunk: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: Any) -> None:
            pass

    log = WorkerLog(tmp_path / "log")
    log._file.close()
    monkeypatch.setattr(log, "_file", Full())
    log.write(b"the cause\n")
    assert log.last_line() == "the cause"
    log.close()


def test_text_of_a_stranger_is_made_plain() -> None:
    assert plain("two\nlines\t\x00and\x1b]0;a title\x07") == "two lines and ]0;a title"
    assert plain("a" * 201, 200) == "a" * 197 + "..."
    assert plain("") == ""
