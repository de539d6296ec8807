"""Temporary folders, and what is left of killed processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from d2ldrop.core.files import write_bytes
from d2ldrop.processes.scratch import PREFIX, remove_partial_files, scratch_folder

KILLED = """
import os, signal
from d2ldrop.processes.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "sub").mkdir()
    (folder / "sub" / "data.npy").write_bytes(b"x" * 1000)
    print(folder)
    os.sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of the system."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_a_folder_is_removed_at_the_end(place: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    assert list(place.iterdir()) == []
    with pytest.raises(RuntimeError), scratch_folder() as folder:
        raise RuntimeError
    assert list(place.iterdir()) == []


def test_a_folder_that_is_gone_already_is_no_error(place: Path) -> None:
    with scratch_folder() as folder:
        subprocess.run(["rm", "-rf", folder], check=True)
    assert list(place.iterdir()) == []


def test_the_next_run_removes_what_a_killed_one_left(place: Path) -> None:
    left = [
        subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
        for _ in range(2)
    ]
    assert {Path(out.stdout.strip()) for out in left} >= set(place.iterdir())
    assert len(list(place.iterdir())) == 1  # the second one has removed the first one's
    with scratch_folder() as folder:
        assert list(place.iterdir()) == [folder]


def test_folders_in_use_and_those_of_others_stay(place: Path) -> None:
    theirs = [place / name for name in ("d2ldrop-runs", f"{PREFIX}my-own-results", PREFIX)]
    for folder in theirs:
        folder.mkdir()
    target = place / "target"
    target.mkdir()
    link = place / f"{PREFIX}abcdefgh"
    link.symlink_to(target)
    file = place / f"{PREFIX}abcdefg1"
    file.touch()
    with scratch_folder() as first, scratch_folder() as second:
        stay = {first, second, target, link, file, *theirs}
        assert set(place.iterdir()) == stay
        out = subprocess.run(
            [sys.executable, "-c", KILLED], capture_output=True, text=True, check=False
        )
        assert set(place.iterdir()) == stay | {Path(out.stdout.strip())}


def test_many_at_once_do_not_remove_each_other_s(place: Path) -> None:
    errors = []

    def work() -> None:
        try:
            for _ in range(30):
                with scratch_folder() as folder:
                    (folder / "file").write_text("here")
                    assert (folder / "file").read_text() == "here"
        except BaseException as error:  # noqa: BLE001 - the main thread reports it
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(place.iterdir()) == []


def test_half_written_files_are_removed_and_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code = (
        "import os, pathlib, signal, d2ldrop.core.files as files\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"files.write_bytes(pathlib.Path({str(folder / 'checkpoint.safetensors')!r}), b'half')\n"
    )
    out = subprocess.run([sys.executable, "-c", code], check=False)
    assert out.returncode == -9
    (left,) = folder.iterdir()
    assert left.name.startswith(".checkpoint.safetensors-")
    write_bytes(folder / "result.json", b"{}")
    for name in (".lock", ".hidden", ".note-abcdefgh", "a.json-abcdefgh", ".x.json-abc"):
        (folder / name).touch()
    stay = set(folder.iterdir()) - {left}
    remove_partial_files(folder)
    assert set(folder.iterdir()) == stay
    remove_partial_files(tmp_path / "no such folder")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_temporary_folder_that_cannot_be_written_is_an_error(place: Path) -> None:
    place.chmod(0o500)
    with pytest.raises(OSError, match="Permission denied"), scratch_folder():
        pass
