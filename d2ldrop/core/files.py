"""Write files completely or not at all; read and write strict JSON, sealed with a digest.

A sealed file has the field "format" and the field "digest", the SHA-256 of all other fields. So a
reader finds every damage. Files of format 1 have no digest.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

FORMAT = 2
"""The format of all files with saved state."""
LARGEST_JSON = 2**28
"""Bytes; no file of saved state is larger. A run of 100,000 epochs has about 2**25 bytes."""
SEAL = ("format", "digest")
DEEPEST_JSON = 50
"""Objects and lists inside each other; saved state has fewer than 10."""
ANY_REMEDY = "restore it, or delete it"
"""What to do about a damaged file if nothing better is known."""


class DamagedFileError(ValueError):
    """A file of saved state is damaged; the message names the file and says what to do.

    Attributes:
        problem: what is wrong with the file.
    """

    problem = ""


def damaged(path: Path | str, problem: str, remedy: str = ANY_REMEDY) -> DamagedFileError:
    """The error for the file ``path``; ``remedy`` says what the user can do."""
    error = DamagedFileError(f"{path} {problem}: {remedy}")
    error.problem = problem
    return error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, and its folder if needed.

    The complete file replaces the old one at once. A reader never sees half a file, even if this
    process is killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes the file private
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def dump_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON of ``value``; NaN and infinities become null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False, ensure_ascii=False)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented strict JSON, with ``write_bytes``."""
    write_bytes(path, dump_json(value, indent=2).encode())


def read_json(path: Path, remedy: str = ANY_REMEDY) -> Any:
    """The value in a file of strict JSON.

    Raises:
        FileNotFoundError: no such file.
        DamagedFileError: the file is empty, too large, or not JSON in UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise damaged(path, f"is larger than {LARGEST_JSON:,} bytes", remedy)
    if not content.strip():
        raise damaged(path, "is empty", remedy)
    try:
        return parse_json(content.decode())
    except UnicodeDecodeError as error:
        raise damaged(path, f"is not text in UTF-8 (byte {error.start})", remedy) from None
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"is not JSON ({error})", remedy) from None


def parse_json(text: str) -> Any:
    """The value of strict JSON.

    Raises:
        ValueError, RecursionError: ``text`` is not JSON, or is nested too deeply.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a JSON number")

    value = json.loads(text, parse_constant=refuse)
    level = [value]
    for _ in range(DEEPEST_JSON):
        level = [item for outer in level for item in _items(outer)]
    if level:
        raise ValueError(f"more than {DEEPEST_JSON} objects inside each other")
    return value


def seal(value: Mapping[str, Any]) -> dict[str, Any]:
    """``value`` with the fields "format" and "digest"; the digest covers all other fields."""
    content = {"format": FORMAT, **{k: v for k, v in value.items() if k not in SEAL}}
    return {**content, "digest": _digest(content)}


def write_sealed(path: Path, value: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``value``, sealed, as JSON; return the content of the file."""
    content = seal(value)
    write_json(path, content)
    return content


def read_sealed(path: Path, fields: Mapping[str, type], remedy: str = ANY_REMEDY) -> dict[str, Any]:
    """The content of a sealed JSON file.

    Args:
        path: the file.
        fields: names and types of the fields that it must have.
        remedy: what the user can do if the file is damaged.

    Raises:
        FileNotFoundError: no such file.
        DamagedFileError: the file is damaged, or a newer version wrote it.
    """
    value = check_seal(path, read_json(path, remedy), remedy)
    check_fields(path, value, fields, remedy)
    return value


def check_seal(path: Path, value: Any, remedy: str = ANY_REMEDY) -> dict[str, Any]:
    """Return ``value``, the content of ``path``, if its format and its digest are right.

    A value without a format is of format 1.

    Raises:
        DamagedFileError: they are not.
    """
    if not isinstance(value, dict):
        raise damaged(path, f"must hold a JSON object, got {_short(value)}", remedy)
    if not value:
        raise damaged(path, "has no fields", remedy)
    number = value.get("format", 1)
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise damaged(path, f"has the unknown format {_short(number)}", remedy)
    if number > FORMAT:
        raise damaged(
            path,
            f"has format {number}, written by a newer version of d2ldrop (this one reads up to "
            f"{FORMAT})",
            "update d2ldrop, or choose another folder (--name)",
        )
    if number > 1 or "digest" in value:
        content = {name: item for name, item in value.items() if name != "digest"}
        if value.get("digest") != _digest(content):
            raise damaged(path, "was changed or damaged: its digest does not match", remedy)
    return value


def check_fields(
    path: Path | str, value: Any, fields: Mapping[str, type], remedy: str = ANY_REMEDY
) -> None:
    """Check that ``value``, a part of the file ``path``, is a dict with fields of these types.

    A bool is not an int, but an int is a float.

    Raises:
        DamagedFileError: it is not.
    """
    if not isinstance(value, dict):
        raise damaged(path, f"must hold a JSON object, got {_short(value)}", remedy)
    for name, kind in fields.items():
        if name not in value:
            raise damaged(path, f"lacks the field {name!r}", remedy)
        item = value[name]
        right = isinstance(item, (int, float) if kind is float else kind)
        if kind is float and isinstance(item, int):
            right = abs(item) <= sys.float_info.max
        if not right or (isinstance(item, bool) and kind is not bool):
            expected = {
                dict: "an object",
                list: "a list",
                str: "a text",
                bool: "true or false",
            }.get(kind, "a number")
            raise damaged(path, f"must have {expected} in {name!r}, got {_short(item)}", remedy)


def with_nan(value: Any) -> Any:
    """``value`` with NaN for each null in a dict; the inverse of ``dump_json`` for numbers."""
    if isinstance(value, dict):
        return {k: math.nan if v is None else with_nan(v) for k, v in value.items()}
    return [with_nan(v) for v in value] if isinstance(value, list) else value


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of ``content``."""
    text = json.dumps(_finite(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
