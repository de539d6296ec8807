"""Temporary folders, and what a killed process leaves behind.

A process that is killed cannot remove its folders. So each folder is locked while its owner lives,
and the next process that needs a folder removes those that nobody locks. The system frees a lock
when its owner ends, however that happens.
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

PREFIX = "d2ldrop-temp-"
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
    with contextlib.suppress(OSError):  # they cost space only: nobody reads them
        for file in list(folder.iterdir()):
            if PARTIAL.fullmatch(file.name):
                file.unlink()


def _make(place: Path) -> tuple[Path, int | None]:
    """Make a folder and lock it; return it with the descriptor that holds the lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        if fcntl is None:
            return folder, None
        try:
            descriptor = _open(folder)
        except FileNotFoundError:  # another process has removed it, because it was not locked yet
            continue
        with contextlib.suppress(OSError):  # without locks in this file system, nobody removes it
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder.exists():
            return folder, descriptor
        os.close(descriptor)


def _remove_abandoned(place: Path) -> None:
    """Remove the folders that nobody locks."""
    with contextlib.suppress(OSError):  # a folder that cannot be listed is left alone
        for folder in list(place.iterdir()):
            if SCRATCH.fullmatch(folder.name):
                with contextlib.suppress(OSError):  # it is in use, or has just been removed
                    _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    if fcntl is None:
        return
    descriptor = _open(folder)
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    """A descriptor of the folder. A link that somebody planted is an error."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
