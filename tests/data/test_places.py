"""The four files are found under the names and in the folders that other programs give them."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from d2ldrop.cli.main import cli
from d2ldrop.data import DataError, DataNotFoundError, Dataset, download, fashion_mnist, load_data
from d2ldrop.data.fashion_mnist import FILES
from d2ldrop.data.idx import IdxFile
from d2ldrop.data.places import cache_dir
from tests.data.conftest import NOBODY

NAMES = tuple(file.name for file in FILES)
CONTENT: dict[str, bytes] = {}
PACKED: dict[str, bytes] = {}
SMALL: list[IdxFile] = []
for file in FILES:
    shape = (200, *file.shape[1:])
    values = np.random.default_rng(len(SMALL)).integers(0, 10, shape, np.uint8)
    header = struct.pack(f">{1 + len(shape)}I", 0x800 + len(shape), *shape)
    CONTENT[file.name] = header + values.tobytes()
    PACKED[file.name] = gzip.compress(CONTENT[file.name], mtime=0)
    digest = hashlib.sha256(CONTENT[file.name]).hexdigest()
    SMALL.append(IdxFile(file.name, shape, digest, 0))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, on a machine without network where the four files are small."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("APPDATA", str(home / "AppData"))
    for name in ("KERAS_HOME", "MXNET_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("d2ldrop.data.places.DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(fashion_mnist, "FILES", SMALL)
    monkeypatch.setattr(download, "FILES", SMALL)
    monkeypatch.setattr(download, "MIRRORS", (NOBODY,))
    return home


def put(folder: Path, *names: str, rename: Callable[[str], str] = lambda n: f"{n}.gz") -> Path:
    """Put the four files, or those with ``names``, into a folder; return the folder."""
    for name in names or NAMES:
        path = folder / rename(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = PACKED if path.name.lower().endswith(".gz") else CONTENT
        path.write_bytes(content[name])
    return folder


def spoil(folder: Path, name: str) -> Path:
    """Put other images, of the right size, under the name of a file: MNIST looks like this."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(CONTENT[NAMES[0]][:-1] + b"\x0b")
    return path


def found(data_dir: Path | str | None = None) -> Dataset:
    return load_data("fashion-mnist", data_dir=data_dir)


def dotted(name: str) -> str:
    return name.replace("-idx", ".idx")


USUAL_NAMES: dict[str, Callable[[str], str]] = {
    "plain": lambda name: name,
    "gzipped": lambda name: f"{name}.gz",
    "GZ": lambda name: f"{name}.GZ",
    "dotted": dotted,
    "dotted, gzipped": lambda name: f"{dotted(name)}.gz",
    "dotted, Gz": lambda name: f"{dotted(name)}.Gz",
    "all capitals": lambda name: f"{name.upper()}.GZ",
    "7-Zip's folders": lambda name: f"{name}/{name}",
    "7-Zip's folders, dotted inside": lambda name: f"{name}/{dotted(name)}",
    "7-Zip's folders, dotted": lambda name: f"{dotted(name)}/{dotted(name)}",
}


@pytest.mark.parametrize("case", USUAL_NAMES)
def test_usual_names(tmp_path: Path, case: str) -> None:
    put(tmp_path / "named", rename=USUAL_NAMES[case])
    data = found(tmp_path / "named")
    content = b"".join(CONTENT[f.name][f.header_size :] for f in SMALL)
    assert data.sha256 == hashlib.sha256(content).hexdigest()
    put(cache_dir(), rename=USUAL_NAMES[case])  # a download would not fetch them again
    assert found().sha256 == data.sha256


@pytest.mark.parametrize(
    "subfolder",
    [".", "raw", "FashionMNIST/raw", "data/fashion", "fashion", "fashion-mnist",
     "datasets/fashion-mnist", "dataset/fashion-mnist"],
)  # fmt: skip
def test_usual_subfolders(tmp_path: Path, subfolder: str) -> None:
    put(tmp_path / "named" / subfolder)
    for name in NAMES:  # the neighbours of the right folder
        spoil(tmp_path / "named" / "MNIST" / "raw", name)
        spoil(tmp_path / "named" / "data" / "mnist", name)
    assert found(tmp_path / "named").name == "fashion-mnist"


@pytest.mark.parametrize("set_home", [False, True])
@pytest.mark.parametrize("program", ["keras", "mxnet", "paddle", "debian"])
def test_other_programs_folders(
    home: Path, monkeypatch: pytest.MonkeyPatch, program: str, set_home: bool
) -> None:
    folder = home / f".{program}" / "datasets" / "fashion-mnist"
    if program == "paddle":
        folder = home / ".cache" / "paddle" / "dataset" / "fashion-mnist"
    elif program == "debian":
        folder = home.parent / "debian"
    elif program == "mxnet" and os.name == "nt":
        folder = home / "AppData" / "mxnet" / "datasets" / "fashion-mnist"
    if set_home:
        monkeypatch.setenv(f"{program.upper()}_HOME", "~/elsewhere")
        if program in ("keras", "mxnet"):
            folder = home / "elsewhere" / "datasets" / "fashion-mnist"
    put(folder)
    result = CliRunner().invoke(cli, ["data"])
    assert f"Fashion-MNIST is in {folder}\n" in result.output
    assert f"{NAMES[3]}: 200 verified\n" in result.output
    assert found().name == "fashion-mnist"


def test_the_content_decides_which_copy_is_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MXNET_HOME", str(home / "mxnet"))
    for name in NAMES:
        spoil(tmp_path / "named", name)  # beside a good copy with another name
        spoil(home / ".keras" / "datasets" / "fashion-mnist", name)
        spoil(tmp_path / "debian", name)
    put(tmp_path / "named")
    assert found(tmp_path / "named").name == "fashion-mnist"
    for name in NAMES:
        spoil(tmp_path / "root", name)
    put(tmp_path / "root" / "FashionMNIST" / "raw", rename=dotted)
    assert found(tmp_path / "root").name == "fashion-mnist"
    # Nobody has named a folder, and the good copies lie in three places.
    spoil(cache_dir(), f"{NAMES[1]}.gz")
    put(cache_dir(), NAMES[0], NAMES[2])
    put(home / "mxnet" / "datasets" / "fashion-mnist", NAMES[1])
    put(home / ".cache" / "paddle" / "dataset" / "fashion-mnist", NAMES[3])
    assert found().name == "fashion-mnist"


def test_a_wrong_file_is_an_error_only_in_the_named_folder_and_the_cache(
    home: Path, tmp_path: Path
) -> None:
    keras = put(home / ".keras" / "datasets" / "fashion-mnist")
    wrong = spoil(keras, f"{NAMES[0]}.gz")
    with pytest.raises(DataNotFoundError, match="could not be downloaded"):  # the next place
        found()
    result = CliRunner().invoke(cli, ["data"])
    assert result.exit_code == 1
    assert f"Fashion-MNIST is not on this machine (looked in {cache_dir()}, " in result.output
    assert f"; wrong content: {wrong})." in result.output
    with pytest.raises(DataError, match=f"{NAMES[0]}.gz: corrupt: SHA-256") as caught:
        found(home / ".keras")
    assert str(caught.value).startswith(str(wrong))
    keras.rename(tmp_path / "moved")
    put(cache_dir())
    wrong = spoil(cache_dir(), f"{NAMES[0]}.gz")
    with pytest.raises(DataError, match="corrupt: SHA-256") as caught:
        found()
    assert str(caught.value).startswith(str(wrong))


def test_the_home_folder_is_expanded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home / "mine")
    for data_dir in ("~/mine", Path("~/mine")):
        assert found(data_dir).name == "fashion-mnist"
    result = CliRunner().invoke(cli, ["data", "--data-dir", "~/mine"])
    assert f"Fashion-MNIST is in {home / 'mine'}\n" in result.output
    monkeypatch.setenv("D2LDROP_DATA_DIR", "~/mine")
    assert found().name == "fashion-mnist"


def test_a_folder_that_cannot_be_used_is_called_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = put(home / "mine") / f"{NAMES[0]}.gz"
    for wrong, message in {
        "~/no": f"{home / 'no'} does not exist: name the folder that holds the four files, or",
        "~nobody-of-that-name/x": "~nobody-of-that-name/x does not exist",
        str(file): f"{file} is not a folder: name the folder that holds the four files",
        "~": f"{home} lacks {', '.join(NAMES)}",
    }.items():
        with pytest.raises(DataError) as caught:
            found(wrong)
        assert str(caught.value).startswith(f"data_dir {message}")
        with monkeypatch.context() as variable:
            variable.setenv("D2LDROP_DATA_DIR", wrong)
            with pytest.raises(DataError) as caught:
                load_data("auto")  # no fallback to the stand-in
        assert str(caught.value).startswith(f"D2LDROP_DATA_DIR {message}")
    with pytest.raises(DataError, match=r"data_dir cannot be read: .*null"):
        found("a\0b")


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_links_are_followed_but_not_for_ever(home: Path) -> None:
    put(home / "mine", *NAMES[1:])
    name = home / "mine" / NAMES[0]
    name.symlink_to(".")  # a folder with the name of the file, which holds itself
    with pytest.raises(DataError, match=f"{NAMES[0]}: not a regular file"):
        found(home / "mine")
    name.unlink()
    name.symlink_to("nowhere")
    with pytest.raises(DataError, match=f"lacks {NAMES[0]} "):
        found(home / "mine")
    name.unlink()
    name.symlink_to(put(home / "elsewhere", NAMES[0]) / f"{NAMES[0]}.gz")
    assert found(home / "mine").name == "fashion-mnist"
