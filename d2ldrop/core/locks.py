"""A lock on a folder, so that two processes do not write into it at the same time.

The operating system holds the lock and frees it when its process ends, however that happens.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"
"""The locked file in the folder; it contains the id of the process that holds the lock."""
SEALED = os.name == "nt"
"""Whether nobody can write to a locked file, or remove it: so it is under Windows."""

TRIES = 100
"""Attempts to make a folder and to lock it while other processes remove it."""


class FolderInUseError(OSError):
    """Another process works in the folder; the message contains its process id."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock ``folder`` and create it if needed; at the end remove the lock, and empty new folders.

    Raises:
        FolderInUseError: a process, which may be this one, holds the lock.
        OSError: the folder cannot be created, or cannot be written to.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    file = folder / LOCK
    lock = FileLock(file, timeout=0, thread_local=False)
    try:
        _acquire(lock, folder)
        try:
            if not SEALED:
                file.write_text(str(os.getpid()))
            yield
        finally:
            # The file goes while the lock is still held: a process that has just opened it notices.
            if not SEALED:
                file.unlink(missing_ok=True)
            lock.release()
            if SEALED:
                with contextlib.suppress(OSError):  # another process has locked it already
                    file.unlink(missing_ok=True)
    finally:
        with contextlib.suppress(OSError):  # a folder with results stays, and so do its parents
            for path in new:
                path.rmdir()


def _acquire(lock: FileLock, folder: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (FileNotFoundError, FileExistsError):
            # The last owner may just have removed the folder, which was new and empty. Even mkdir
            # with exist_ok raises FileExistsError then, here or in filelock.
            if not left:
                raise
        except Timeout:
            owner = _owner(folder / LOCK)
            raise FolderInUseError(
                f"{folder} is in use by process {owner}: wait until it ends, or choose another "
                "folder (--name)"
            ) from None
        else:
            return


def _owner(file: Path) -> str:
    """The process id in a lock file; its owner writes it just after it has locked the file."""
    for _ in range(20):
        with contextlib.suppress(FileNotFoundError, PermissionError):  # removed, or sealed
            text = file.read_text(errors="replace")[:20]
            if text.isdigit():
                return text
        time.sleep(0.05)
    return "(unknown id)"
