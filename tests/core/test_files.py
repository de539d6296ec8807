"""Files that are written whole or not at all, and strict JSON."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from d2ldrop.core.files import dump_json, read_json, with_nan, write_bytes, write_json


def test_files_are_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_json_is_strict_and_nan_comes_back() -> None:
    text = dump_json({"losses": [{"loss": math.nan}, {"loss": (1.5, math.inf)}]})
    assert json.loads(text) == {"losses": [{"loss": None}, {"loss": [1.5, None]}]}
    assert math.isnan(with_nan([{"loss": None}])[0]["loss"])
    assert with_nan(None) is None


def test_a_file_of_json_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file.json"
    write_json(file, {"name": "Größe"})
    assert read_json(file) == {"name": "Größe"}
    file.write_text("{")
    with pytest.raises(ValueError, match=r"file.json is not JSON: "):
        read_json(file)
