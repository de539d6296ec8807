"""One process at a time works in a folder."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from d2ldrop.core.locks import FolderInUseError, locked

HOLD = """
import sys
from pathlib import Path
from d2ldrop.core.locks import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""
COUNT = """
import sys
from pathlib import Path
from d2ldrop.core.locks import FolderInUseError, locked
folder, counter = Path(sys.argv[1]), Path(sys.argv[2])
done = 0
while done < 50:
    try:
        with locked(folder):
            number = int(counter.read_text())
            counter.write_text(str(number + 1))
            done += 1
    except FolderInUseError:
        pass
"""


@contextmanager
def another_owner(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of ``folder``."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_locked_folder_is_refused_with_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with another_owner(folder) as process:
        message = f"{folder} is in use by process {process.pid}: wait until it ends, or choose"
        with pytest.raises(FolderInUseError, match=re.escape(message)), locked(folder):
            pass
        assert (folder / ".lock").exists()


def test_a_killed_owner_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with another_owner(folder) as process:
        process.kill()
        process.wait()
        with locked(folder):
            (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_new_folders_are_removed_if_they_stay_empty(tmp_path: Path) -> None:
    with locked(tmp_path / "runs" / "name"):
        assert (tmp_path / "runs" / "name").is_dir()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").mkdir()
    with locked(tmp_path / "old"):
        pass
    assert list((tmp_path / "old").iterdir()) == []


def test_a_folder_that_is_deleted_meanwhile_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "name"
    with locked(folder):
        (folder / ".lock").unlink()
        folder.rmdir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_removed_while_mkdir_looks_at_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, failures = Path.mkdir, [FileExistsError(errno.EEXIST, "File exists")]

    def racing(self: Path, *args: Any, **options: Any) -> None:
        if failures:
            raise failures.pop()
        mkdir(self, *args, **options)

    monkeypatch.setattr(Path, "mkdir", racing)
    with locked(tmp_path / "name"):
        assert (tmp_path / "name" / ".lock").exists()


@pytest.mark.parametrize("dangling", [False, True])
def test_a_file_or_link_in_place_of_the_folder_is_an_error(tmp_path: Path, dangling: bool) -> None:
    folder = tmp_path / "name"
    if dangling:
        folder.symlink_to(tmp_path / "missing")
    else:
        folder.touch()
    with pytest.raises(FileExistsError), locked(folder):
        pass


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    folder = tmp_path / "name"
    folder.mkdir()
    (folder / ".lock").symlink_to(other)
    with pytest.raises(OSError, match=r"\.lock"), locked(folder):
        pass
    assert other.read_text() == "precious"


def test_processes_that_compete_for_a_folder_take_turns(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path / "new"), str(counter)]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert counter.read_text() == "200"


@pytest.mark.parametrize("error", [FileNotFoundError, FileExistsError])
def test_a_folder_that_its_last_owner_removes_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """Both errors come from filelock then: it depends on the moment."""
    acquire, folder, attempts = FileLock.acquire, tmp_path / "new", []

    def late(lock: FileLock) -> object:
        attempts.append(lock)
        if len(attempts) == 1:
            folder.rmdir()
            raise error
        return acquire(lock)

    monkeypatch.setattr(FileLock, "acquire", late)
    with locked(folder):
        assert len(attempts) == 2
        assert folder.is_dir()


def test_a_lock_that_seals_its_file_works_without_the_owners_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under Windows, even the owner can write to the file only after the lock is released."""
    monkeypatch.setattr("d2ldrop.core.locks.SEALED", True)
    folder = tmp_path / "new"
    with locked(folder):
        (file,) = folder.iterdir()
        assert file.read_text() == ""
        refused = pytest.raises(FolderInUseError, match=r"in use by process .unknown id.: wait")
        with refused, locked(folder):
            pass
    assert not folder.exists()
