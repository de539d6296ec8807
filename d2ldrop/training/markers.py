"""The file that identifies a comparison, an experiment or a benchmark: how it is read and written.

A single run has no such file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d2ldrop.core.files import damaged, read_sealed, write_sealed
from d2ldrop.core.recipe import Recipe

MARKERS = {"comparison": "summary.json", "experiment": "plan.json", "benchmark": "bench.json"}
"""The file's name for each kind of folder."""
FIELDS: dict[str, dict[str, type]] = {
    "comparison": {"recipe": dict, "backends": dict, "lockstep": list},
    "experiment": {"recipe": dict, "experiment": str, "backend": str},
    "benchmark": {"kind": str, "backends": dict},
}
"""The fields that the file must have, in every format."""


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
    if "recipe" in content:
        try:
            content["recipe"] = Recipe(**content["recipe"]).to_dict()
        except (TypeError, ValueError) as error:
            raise damaged(path, f"has an invalid recipe ({error})", remedy) from error
    return content


def write_marker(folder: Path, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write the file, sealed; return its content."""
    return write_sealed(folder / MARKERS[kind], content)
