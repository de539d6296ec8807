"""The file that identifies a comparison, an experiment or a benchmark: how it is read and written.

A single run has no such file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d2ldrop.core.files import check_fields, damaged, read_sealed, write_sealed
from d2ldrop.core.recipe import Recipe

MARKERS = {"comparison": "summary.json", "experiment": "plan.json", "benchmark": "bench.json"}
"""The file's name for each kind of folder."""
Fields = dict[str, type]
FIELDS: dict[str, Fields] = {
    "comparison": {"recipe": dict, "backends": dict, "lockstep": list},
    "experiment": {"recipe": dict, "experiment": str, "backend": str},
    "benchmark": {"kind": str, "backends": dict},
}
"""The fields that the file must have, in every format."""
CHECK_FIELDS: Fields = {"what": str, "steps": int, "difference": dict, "in_lockstep": dict}
ROW_FIELDS: Fields = {"status": str}
"""The fields of a comparison's lockstep checks, and of its rows."""


def read_marker(folder: Path, kind: str) -> dict[str, Any] | None:
    """The file's content; None if there is no file. Fields that its recipe lacks have defaults.

    Raises:
        DamagedFileError: the file is damaged, or a newer version wrote it.
    """
    path = folder / MARKERS[kind]
    if not path.exists():
        return None
    remedy = f"delete {path}; then resume=True (--resume) with all options makes it again"
    content = read_sealed(path, FIELDS[kind], remedy)
    if kind == "comparison":
        for check in content["lockstep"]:
            check_fields(path, check, CHECK_FIELDS, remedy)
        for row in content["backends"].values():
            check_fields(path, row, ROW_FIELDS, remedy)
    check_fields(path, content, {"seeds": list} if "seeds" in content else {}, remedy)
    if "recipe" in content:
        try:
            content["recipe"] = Recipe(**content["recipe"]).to_dict()
        except (TypeError, ValueError) as error:
            raise damaged(path, f"has an invalid recipe ({error})", remedy) from error
    return content


def write_marker(folder: Path, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write the file, sealed; return its content."""
    return write_sealed(folder / MARKERS[kind], content)
