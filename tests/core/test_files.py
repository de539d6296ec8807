"""Files that are written whole or not at all, and strict JSON."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from d2ldrop.core.files import (
    DamagedFileError,
    check_seal,
    dump_json,
    read_json,
    read_sealed,
    seal,
    with_nan,
    write_bytes,
    write_json,
    write_sealed,
)


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


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty: restore it, or delete it"),
        (b" \n", "is empty: "),
        (b"{", r"is not JSON \(Expecting property name"),
        (b'{"name": "Gr\xf6\xdfe"}', r"is not text in UTF-8 \(byte 12\)"),
        (b'{"loss": NaN}', r"is not JSON \(NaN is not a JSON number\)"),
        (b"[" * 60 + b"]" * 60, r"is not JSON \(more than 50 objects inside each other\)"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"seed": ' + b"1" * 5000 + b"}", "is not JSON"),
    ],
    ids=["empty", "blank", "cut", "latin-1", "nan", "deep", "too deep", "digits"],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(content)
    with pytest.raises(DamagedFileError, match=rf"{file} {problem}"):
        read_json(file)


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d2ldrop.core.files.LARGEST_JSON", 10)
    write_json(tmp_path / "file.json", {"name": "Größe"})
    with pytest.raises(DamagedFileError, match=r"file.json is larger than 10 bytes: "):
        read_json(tmp_path / "file.json")


def test_a_seal_covers_every_field(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    value = {"loss": math.nan, "sizes": (1, 2), "name": "Größe", "lr": 0.1}
    content = write_sealed(file, value)
    assert content == {"format": 2, **value, "digest": content["digest"]}
    read = read_sealed(file, {"name": str, "lr": float})
    assert read == {**content, "loss": None, "sizes": [1, 2]}
    assert seal(read) == read  # sealing again changes nothing
    for name, other in {"loss": 0, "sizes": [2, 1], "lr": 0.2, "format": 1, "new": 1}.items():
        with pytest.raises(DamagedFileError, match=r"file.json was changed or damaged"):
            check_seal(file, {**read, name: other})
    without = {name: item for name, item in read.items() if name != "digest"}
    with pytest.raises(DamagedFileError, match=r"file.json was changed or damaged"):
        check_seal(file, without)
    assert check_seal(file, {**without, "format": 1})  # from before there were digests


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], r"must hold a JSON object, got \[\]"),
        (None, "must hold a JSON object, got None"),
        ({}, "has no fields"),
        ({"name": "x", "format": "2"}, "has the unknown format '2'"),
        ({"name": "x", "format": True}, "has the unknown format True"),
        ({"name": "x", "format": 3}, "has format 3, written by a newer version of d2ldrop .*: upd"),
        ({"other": "x"}, "lacks the field 'name'"),
        ({"name": None}, "must have a text in 'name', got None"),
        ({"name": "x", "size": True}, "must have a number in 'size', got True"),
    ],
    ids=str,
)
def test_fields_and_formats_are_checked(tmp_path: Path, value: object, problem: str) -> None:
    file = tmp_path / "file.json"
    write_json(file, value)
    with pytest.raises(DamagedFileError, match=rf"{file} {problem}"):
        read_sealed(file, {"name": str, "size": int})
