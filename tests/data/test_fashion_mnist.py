"""The files of Fashion-MNIST are found, verified and read."""

from __future__ import annotations

import gzip
import hashlib
import inspect
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop.backend import Backend
from d2ldrop.data import DataError, StandInWarning, load_data
from d2ldrop.data.fashion_mnist import FILES
from d2ldrop.data.places import DEBIAN, cache_dir, other_folders
from tests.data.conftest import has_debian


@has_debian
def test_debians_files_are_found_and_verified() -> None:
    found = load_data("fashion-mnist")
    assert [a.shape for a in found.arrays] == [
        (60_000, 28, 28),
        (60_000,),
        (10_000, 28, 28),
        (10_000,),
    ]
    assert all(a.dtype == np.uint8 for a in found.arrays)
    assert np.bincount(found.train_labels).tolist() == [6000] * 10
    assert found.name == "fashion-mnist"
    content = b"".join(a.tobytes() for a in found.arrays)
    assert found.sha256 == hashlib.sha256(content).hexdigest()


@has_debian
def test_unpacked_files_are_read_too(real: Path) -> None:
    for file in FILES:
        packed = real / f"{file.name}.gz"
        (real / file.name).write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    assert len(load_data("fashion-mnist", data_dir=real).train_images) == 60_000


@has_debian
def test_the_environment_variable_chooses_the_folder(
    real: Path, nowhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D2LDROP_DATA_DIR", str(real))
    assert load_data().name == "fashion-mnist"


@pytest.mark.parametrize("dataset", ["auto", "fashion-mnist"])
def test_a_given_folder_without_the_files_is_an_error_even_for_auto(
    tmp_path: Path, dataset: str
) -> None:
    with pytest.raises(DataError, match=r"lacks train-images-idx3-ubyte, .*name the folder"):
        load_data(dataset, data_dir=tmp_path)


def idx(shape: tuple[int, ...], content: bytes, magic: int | None = None) -> bytes:
    header = 0x800 + len(shape) if magic is None else magic
    return struct.pack(f">{1 + len(shape)}I", header, *shape) + content


LABELS = "train-labels-idx1-ubyte.gz"


WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "gzip cut short": (lambda whole: whole[:-1000], "truncated: the gzip stream ends too early"),
    "gzip damaged": (
        lambda whole: whole[:5000] + b"\xff" * 50 + whole[5050:],
        "cannot be unpacked",
    ),
    "empty": (lambda _: b"", "truncated: 0 bytes, an IDX header has 8"),
    "images instead": (
        lambda _: idx((60_000,), bytes(60_000), magic=0x803),
        "magic number 0x00000803, expected 0x00000801",
    ),
    "a web page": (lambda _: b"<html>moved</html>", "magic number 0x3c68746d"),
    "fewer": (lambda _: idx((59_999,), bytes(59_999)), "holds 59999 values, expected 60000"),
    "content cut short": (
        lambda _: idx((60_000,), bytes(59_000)),
        "truncated: 59008 bytes unpacked, expected 60008",
    ),
    "too long": (lambda _: idx((60_000,), bytes(60_001)), "too long"),
    "label 10": (lambda _: idx((60_000,), bytes(59_999) + b"\x0a"), "label 10, expected 0 to 9"),
    "content after the end": (
        lambda whole: whole + gzip.compress(bytes(10**6)),
        "too long: more than 60008 bytes unpacked",
    ),
    "nonsense after the end": (lambda whole: whole + b"nonsense", "cannot be unpacked"),
    "other labels": (lambda _: idx((60_000,), bytes(60_000)), "corrupt: SHA-256 of the content"),
}


@has_debian
@pytest.mark.parametrize("case", WRONG)
def test_the_error_names_a_wrong_file_and_the_file_does_not_change(real: Path, case: str) -> None:
    spoil, message = WRONG[case]
    path = real / LABELS
    path.write_bytes(spoil(path.read_bytes()))
    spoilt = path.read_bytes()
    for dataset in ("auto", "fashion-mnist"):  # a broken file never leads to the stand-in
        with pytest.raises(DataError, match=f"{LABELS}: {message}"):
            load_data(dataset, data_dir=real)
    assert path.read_bytes() == spoilt


@has_debian
def test_a_wrong_file_in_the_cache_is_an_error(nowhere: None, real: Path) -> None:
    cache_dir().parent.mkdir(parents=True)
    real.rename(cache_dir())
    path = cache_dir() / LABELS
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="d2ldrop data --download"):
        load_data("auto")


IRREGULAR: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir,
    "a pipe": lambda path: os.mkfifo(path, 0o600),
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a device": lambda path: path.symlink_to("/dev/stdin"),
}


@has_debian
@pytest.mark.skipif(os.name != "posix", reason="needs pipes and devices")
@pytest.mark.parametrize("case", IRREGULAR)
def test_what_is_not_a_file_is_refused_at_once(real: Path, nowhere: None, case: str) -> None:
    path = real / LABELS
    path.unlink()
    IRREGULAR[case](path)
    with pytest.raises(DataError, match=f"{LABELS}: not a regular file. The file is not changed"):
        load_data("auto", data_dir=real)


@has_debian
def test_a_folder_beside_the_file_does_not_hide_it(real: Path) -> None:
    (real / LABELS.removesuffix(".gz")).mkdir()
    assert load_data("fashion-mnist", data_dir=real).name == "fashion-mnist"


def test_a_folder_that_cannot_be_searched_is_an_error(
    nowhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"^data_dir cannot be read: .*Name the folder that holds"):
        load_data("auto", data_dir="x" * 5000)
    monkeypatch.setenv("D2LDROP_DATA_DIR", "x" * 5000)
    with pytest.raises(DataError, match=r"^D2LDROP_DATA_DIR cannot be read"):
        load_data("auto")


def test_a_cache_that_cannot_be_searched_is_passed_over(
    nowhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/" + "x" * 5000)
    with pytest.warns(StandInWarning, match="cannot be written"):
        assert load_data("auto", train_size=5, test_size=5).name == "stand-in"


def test_the_sizes_are_those_of_the_published_files() -> None:
    assert [file.size for file in FILES] == [47_040_016, 60_008, 7_840_016, 10_008]
    for file in FILES:
        if DEBIAN.exists():  # gzipped again, without the name and its final zero
            packed = DEBIAN / f"{file.name}.gz"
            assert file.packed_size == packed.stat().st_size + len(file.name) + 1


@pytest.mark.only("tensorflow", "mxnet", "paddle")
def test_the_frameworks_keep_their_files_there(backend: Backend[Any], backend_name: str) -> None:
    if backend_name == "tensorflow":
        from keras.src.backend.config import keras_home  # type: ignore[import-untyped]  # no stubs

        folder = Path(str(keras_home())) / "datasets" / "fashion-mnist"
    elif backend_name == "mxnet":
        from mxnet.gluon.data.vision import FashionMNIST

        folder = Path(inspect.signature(FashionMNIST).parameters["root"].default)
    else:
        from paddle.dataset.common import DATA_HOME
        from paddle.vision.datasets import FashionMNIST

        folder = Path(DATA_HOME) / FashionMNIST.NAME
    assert folder in other_folders()
