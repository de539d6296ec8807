"""Folders that cannot be written, and names that cannot be stored, are refused early."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from d2ldrop.core.places import check_file_name, check_place


def test_a_new_folder_is_accepted_and_nothing_is_written(tmp_path: Path) -> None:
    check_place(tmp_path / "runs" / "deep", "mine é 層")
    check_place(str(tmp_path), "mine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J", "a\x7f", "\x00", "a\udcff", "a\u2028b"])
def test_names_that_cannot_be_printed(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        ValueError, match=r"^name must be printable text without control characters"
    ):
        check_place(tmp_path, name)
    with pytest.raises(ValueError, match=r"^out must be printable text without control characters"):
        check_place(tmp_path / name, "mine")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name cannot be used here: File name too long"):
        check_place(tmp_path, 300 * "x")


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for out in (file, file / "deeper"):
        with pytest.raises(NotADirectoryError, match=r"must be a folder .* is a file"):
            check_place(out, "mine")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_a_folder_that_cannot_be_written() -> None:
    with pytest.raises(OSError, match=r"^out \(--out\) must be a folder that can be written"):
        check_place("/proc/runs", "mine")


def test_an_encoding_that_lacks_the_letters() -> None:
    code = (
        "from d2ldrop.core.places import check_file_name\n"
        "check_file_name('mine', 'name')\n"
        "try:\n"
        "    check_file_name('h\\u00e9', 'name')\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    env = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert "name must be a name that this system's encoding (ascii) can store" in ended.stdout
    check_file_name("h\u00e9", "name")
