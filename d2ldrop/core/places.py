"""Check, before any work, that a folder or file can be written and that its name can be stored."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from pathlib import Path

NOT_PRINTED = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, lone surrogates, and separators of lines."""


def check_place(out: Path | str, name: str) -> None:
    """Raise unless the folder ``out/name`` can be made, or written if it exists.

    This writes nothing that remains. Reports are UTF-8, so both names must be, too.

    Raises:
        ValueError: a name has control characters, or the system cannot store it.
        OSError: the folder cannot be written; ``filename`` is the folder that exists already.
    """
    for argument, value in (("out", os.fspath(out)), ("name", name)):
        check_file_name(value, argument)
    path = Path(out) / name
    nearest = next(each for each in (path, *path.parents) if _exists(each))
    for part in path.relative_to(nearest).parts:
        _exists(nearest / part)  # the system knows whether a new name is too long
    if not nearest.is_dir():
        raise NotADirectoryError(
            f"out (--out) must be a folder that can be written, but {nearest} is a file"
        )
    try:
        with tempfile.TemporaryFile(dir=nearest, prefix=".d2ldrop-"):
            pass
    except OSError as error:
        raise type(error)(
            f"out (--out) must be a folder that can be written, but {nearest} cannot: "
            f"{error.strerror}"
        ) from error


def check_output_file(path: Path, argument: str) -> None:
    """Raise unless ``path``, the value of ``argument``, is a file or a new one, and writable.

    Raises:
        ValueError: it is something else than a file, or the system cannot store its name.
        NotADirectoryError: its folder cannot be made or written.
    """
    check_file_name(str(path), argument)
    if path.is_dir():
        raise ValueError(f"{argument} must be a file, but {path} is a folder: give another name")
    if path.exists() and not path.is_file():
        raise ValueError(
            f"{argument} must be a file, but {path} is a device or a pipe: give another name"
        )
    nearest = next(each for each in path.absolute().parents if each.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise NotADirectoryError(
            f"{argument} must be a file in a folder that can be written, but {nearest} is none: "
            "give another folder"
        )


def check_file_name(value: str, argument: str) -> None:
    """Raise ValueError if ``value``, the value of ``argument``, cannot be a file's name here."""
    odd = [each for each in value if unicodedata.category(each) in NOT_PRINTED]
    if odd:
        raise ValueError(
            f"{argument} must be printable text without control characters, got {value!r}"
        )
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{argument} must be a name that this system's encoding ({error.encoding}) can store, "
            f"got {value!a}: use ASCII letters, or set LC_ALL=C.UTF-8"
        ) from error


def _exists(path: Path) -> bool:
    """Whether ``path`` exists; a name that the system does not allow is a ValueError."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ValueError(
            f"name cannot be used here: {error.strerror}: {str(path)[:80]!r}"
        ) from error
    return True
