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
from contextlib import ExitStack, contextmanager
from pathlib import Path

from d2ldrop.core.locks import FolderInUseError, locked

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
    with ExitStack() as lock:
        folder = _make(place, lock)
        try:
            yield folder
        finally:
            # Some files may stay, if a process that a framework left behind still writes here.
            shutil.rmtree(folder, ignore_errors=True)


def remove_partial_files(folder: Path) -> None:
    """Remove half-written files, which a killed process left in ``folder``.

    Call it only if no other process or thread writes into ``folder``.
    """
    with contextlib.suppress(OSError):  # they cost space only: nobody reads them
        for file in list(folder.iterdir()):
            if PARTIAL.fullmatch(file.name):
                file.unlink()


def _make(place: Path, lock: ExitStack) -> Path:
    """Make a folder, and lock it in ``lock``."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        try:
            lock.enter_context(locked(folder))
        except FolderInUseError:  # another process removes it, because it was not locked yet
            continue
        return folder


def _remove_abandoned(place: Path) -> None:
    """Remove the folders that nobody locks."""
    with contextlib.suppress(OSError):  # a folder that cannot be read is left alone
        for folder in list(place.iterdir()):
            if SCRATCH.fullmatch(folder.name) and _is_mine(folder):
                with contextlib.suppress(OSError), locked(folder):
                    shutil.rmtree(folder, ignore_errors=True)


def _is_mine(folder: Path) -> bool:
    """Whether it is a folder of this user, and not a link that somebody planted."""
    try:
        status = folder.lstat()
    except OSError:  # it has just been removed
        return False
    mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return mine and folder.is_dir() and not folder.is_symlink()
