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
SPEED_FIELDS: Fields = {"dtype": str, "num_epochs": int, "backends": dict}
"""The fields of a comparison's lockstep checks, of its rows, and of its runs for speed."""
LATER_FIELDS: Fields = {
    "machine": dict,
    "device": str,
    "dataset": str,
    "dataset_sha256": str,
    "train_size": int,
    "test_size": int,
}
LATER_COMPARISON_FIELDS: Fields = {
    "speed": dict,
    "left_out": dict,
    "conformance": dict,
    "not_applied": dict,
    "diverged_unlike_numpy": list,
    "problem": str,
}
LATER_CHECK_FIELDS: Fields = {"quantities": dict, "diverged_after": dict, "differs_first": dict}
"""Fields that an old file may lack, of all kinds, of a comparison, and of its lockstep checks."""


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
    check_later_fields(path, content, remedy)
    if kind == "comparison":
        _check_comparison(path, content, remedy)
    check_fields(path, content, {"seeds": list} if "seeds" in content else {}, remedy)
    if "recipe" in content:
        try:
            content["recipe"] = Recipe(**content["recipe"]).to_dict()
        except (TypeError, ValueError) as error:
            raise damaged(path, f"has an invalid recipe ({error})", remedy) from error
    return content


def check_later_fields(path: Path, content: dict[str, Any], remedy: str) -> None:
    """Check the types of those LATER_FIELDS that are there; null is the same as missing.

    Raises:
        DamagedFileError: one has another type.
    """
    check_fields(path, content, _present(LATER_FIELDS, content), remedy)


def _check_comparison(path: Path, content: dict[str, Any], remedy: str) -> None:
    """Check the parts of a comparison's file; see ``read_marker``."""
    check_fields(path, content, _present(LATER_COMPARISON_FIELDS, content), remedy)
    rows = list(content["backends"].values())
    if (speed := content.get("speed")) is not None:
        check_fields(path, speed, SPEED_FIELDS, remedy)
        rows += speed["backends"].values()
    for row in rows:
        check_fields(path, row, ROW_FIELDS, remedy)
    for check in content["lockstep"]:
        check_fields(path, check, CHECK_FIELDS, remedy)
        check_fields(path, check, _present(LATER_CHECK_FIELDS, check), remedy)
        numbers: Fields = dict.fromkeys(check["difference"], float)
        check_fields(path, check["difference"], _present(numbers, check["difference"]), remedy)
        for one in (check.get("quantities") or {}).values():
            check_fields(path, one, {}, remedy)
            check_fields(path, one, _present({"yardstick": float}, one), remedy)


def _present(fields: Fields, value: dict[str, Any]) -> Fields:
    """Those of the fields that ``value`` has, and that are not null."""
    return {name: kind for name, kind in fields.items() if value.get(name) is not None}


def write_marker(folder: Path, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write the file, sealed; return its content."""
    return write_sealed(folder / MARKERS[kind], content)
