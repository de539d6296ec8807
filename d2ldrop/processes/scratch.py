"""Temporary folders, and what a killed process leaves behind.

A process that is killed cannot remove its folders. So each folder is locked while its owner lives,
and the next process that needs a folder removes those that nobody locks.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows: no folder is ever taken for one without an owner
    fcntl = None  # type: ignore[assignment]  # mypy wants a module

PREFIX = "d2ldrop-tmp-"
RANDOM = "[a-z0-9_]{8}"  # the end of the names that tempfile makes
SCRATCH = re.compile(PREFIX + RANDOM)
PARTIAL = re.compile(rf"\..+\.[a-z]+-{RANDOM}")
"""The temporary files of ``core.files.write_bytes``, such as ".result.json-k2x8q0_a"."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new temporary folder, which is removed at the end.

    Folders whose owners were killed are removed first.

    Raises:
        OSError: the folder cannot be made.
    """
    place = Path(tempfile.gettempdir())
    _remove_abandoned(place)
    folder, descriptor = _make(place)
    try:
        yield folder
    finally:
        # Some files may stay, if a process that a framework left behind still writes here.
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def remove_partial_files(folder: Path) -> None:
    """Remove half-written files, which a killed process left in ``folder``.

    Call it only if no other process or thread writes into ``folder``.
    """
    if folder.is_dir():
        for file in folder.iterdir():
            if PARTIAL.fullmatch(file.name):
                with contextlib.suppress(OSError):  # it costs space only; nobody reads it
                    file.unlink()


def _make(place: Path) -> tuple[Path, int | None]:
    """Make a folder and lock it; return it with the descriptor that holds the lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        descriptor = _lock(folder, wait=True)
        # Another process may have removed the folder before it was locked.
        if folder.exists():
            return folder, descriptor
        if descriptor is not None:
            os.close(descriptor)


def _remove_abandoned(place: Path) -> None:
    """Remove the folders that nobody locks."""
    with contextlib.suppress(OSError):  # a folder that cannot be looked at is left alone
        for folder in place.iterdir():
            if not SCRATCH.fullmatch(folder.name) or not _is_mine(folder):
                continue
            descriptor = _lock(folder, wait=False)
            if descriptor is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(descriptor)


def _is_mine(folder: Path) -> bool:
    """Whether it is a real folder of this user, not a link that somebody planted."""
    try:
        status = folder.lstat()
    except OSError:  # it has just been removed
        return False
    return not folder.is_symlink() and hasattr(os, "getuid") and status.st_uid == os.getuid()


def _lock(folder: Path, *, wait: bool) -> int | None:
    """A descriptor that locks the folder; None if it is locked, or cannot be locked here.

    The system releases the lock when the process ends, however it ends.
    """
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # it has just been removed
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
