"""Fashion-MNIST: where it is found, how it is checked, how it is fetched; and its stand-in.

Fashion-MNIST: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
machine learning algorithms" (arXiv:1708.07747). The files are IDX, gzipped or not; what counts is
the content.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tempfile
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.core.arrays import aligned
from d2ldrop.core.checks import check_integer

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
CONNECT_TIMEOUT, READ_TIMEOUT = 5, 30  # seconds
ATTEMPTS = 2  # rounds over all mirrors


@dataclass(frozen=True)
class _File:
    """One of the four files: what its unpacked content must be."""

    name: str
    shape: tuple[int, ...]
    sha256: str


FILES = (
    _File(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    _File(
        "train-labels-idx1-ubyte",
        (60_000,),
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    _File(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    _File(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)


class DataError(Exception):
    """The data cannot be had, or a file is not what it must be; the message says which and why."""


class DataNotFoundError(DataError):
    """Fashion-MNIST is in none of the places looked at."""


class StandInWarning(UserWarning):
    """The run does not use the real Fashion-MNIST."""


@dataclass(frozen=True)
class Dataset:
    """Images uint8 (n, 28, 28) and labels uint8 (n,), to train and to test with."""

    name: str
    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]

    @property
    def arrays(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """The four arrays: training images and labels, test images and labels."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels

    @cached_property
    def sha256(self) -> str:
        """Of the bytes of the four arrays, one after another."""
        digest = hashlib.sha256()
        for array in self.arrays:
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def load_data(
    dataset: str = "auto",
    *,
    data_dir: str | os.PathLike[str] | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
) -> Dataset:
    """Fashion-MNIST, or its stand-in.

    Looked for in ``data_dir`` or else the variable D2LDROP_DATA_DIR, where one is given and nowhere
    else then; in the user's cache; in Debian's package dataset-fashion-mnist; on the network.

    Args:
        dataset: "fashion-mnist"; "stand-in", which is drawn by code; or "auto": the real data
            where it can be had, otherwise the stand-in, with a StandInWarning.
        data_dir: a folder that holds the four files.
        train_size, test_size: how many images to keep, from the first on; all if not given.

    Raises:
        ValueError: an unknown dataset, or a size out of range.
        DataNotFoundError: no Fashion-MNIST in any of the places.
        DataError: a file is there but is not what it must be. It is left as it is.
    """
    if dataset not in ("auto", "fashion-mnist", "stand-in"):
        raise ValueError(f"dataset must be one of auto, fashion-mnist, stand-in, got {dataset!r}")
    train_size = _check_size(train_size, "train_size", 60_000)
    test_size = _check_size(test_size, "test_size", 10_000)
    if dataset == "stand-in":
        if data_dir is not None:
            raise ValueError(
                "data_dir is where Fashion-MNIST lies: dataset 'stand-in' reads no file"
            )
        return _stand_in(train_size, test_size)
    try:
        arrays = read_fashion_mnist(find_fashion_mnist(data_dir) or download(MIRRORS))
    except DataNotFoundError as error:
        if dataset == "fashion-mnist":
            raise
        warnings.warn(
            f"NOT the real Fashion-MNIST: training on the built-in stand-in ({error})",
            StandInWarning,
            stacklevel=2,
        )
        return _stand_in(train_size, test_size)
    train_images, train_labels, test_images, test_labels = arrays
    return Dataset(
        "fashion-mnist",
        train_images[:train_size],
        train_labels[:train_size],
        test_images[:test_size],
        test_labels[:test_size],
    )


def _check_size(size: int | None, name: str, largest: int) -> int:
    if size is None:
        return largest
    return check_integer(size, name, f"an integer from 1 to {largest}", 1, largest)


def _stand_in(train_size: int, test_size: int) -> Dataset:
    from d2ldrop.data.stand_in import stand_in

    return Dataset("stand-in", *stand_in(train_size, test_size))


def cache_dir() -> Path:
    """Where a download is kept for this user."""
    import platformdirs

    return platformdirs.user_cache_path("d2ldrop") / "fashion-mnist"


def find_fashion_mnist(data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder on this machine that holds the four files; None if the network must be asked.

    Raises:
        DataError: ``data_dir``, or D2LDROP_DATA_DIR, is given but lacks a file.
    """
    source = "--data-dir" if data_dir is not None else "D2LDROP_DATA_DIR"
    chosen = data_dir if data_dir is not None else os.environ.get("D2LDROP_DATA_DIR") or None
    if chosen is not None:
        folder = Path(chosen)
        missing = [file.name for file in FILES if _path(folder, file) is None]
        if missing:
            # Asked for by name: to train on something else instead would be a surprise.
            raise DataError(
                f"{source} {folder} lacks {', '.join(missing)} (as it is, or with .gz): "
                "name the folder that holds the four files"
            )
        return folder
    for folder in (cache_dir(), DEBIAN):
        if all(_path(folder, file) for file in FILES):
            return folder
    return None


def _path(folder: Path, file: _File) -> Path | None:
    """The file in ``folder``, unpacked or gzipped."""
    for path in (folder / file.name, folder / f"{file.name}.gz"):
        if path.is_file():
            return path
    return None


def read_fashion_mnist(folder: Path) -> list[npt.NDArray[np.uint8]]:
    """The four arrays in the order of ``FILES``, verified.

    Raises:
        DataError: a file is truncated, corrupt, or another one; the message names it.
    """
    arrays = []
    for file in FILES:
        path = _path(folder, file)
        if path is None:
            raise DataNotFoundError(f"{folder} lacks {file.name}")
        arrays.append(_read(path, file))
    return arrays


def _read(path: Path, file: _File) -> npt.NDArray[np.uint8]:
    """The array in an IDX file: a magic number, the dimensions, then the bytes, all big-endian."""

    def wrong(what: str) -> DataError:
        return DataError(
            f"{path}: {what}. It is left as it is: move it away for a fresh copy "
            "('d2ldrop data --download'), or name another folder (--data-dir)"
        )

    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except EOFError:
        raise wrong("truncated: the gzip stream ends too early") from None
    except (OSError, zlib.error) as error:
        raise wrong(f"cannot be read or unpacked ({error})") from error

    ndim = len(file.shape)
    header = 4 + 4 * ndim
    if len(content) < header:
        raise wrong(f"truncated: {len(content)} bytes, an IDX header has {header}")
    magic, *dims = np.frombuffer(content[:header], ">u4").tolist()
    if magic != 0x800 + ndim:
        raise wrong(f"magic number {magic:#010x}, expected {0x800 + ndim:#010x}: no such IDX file")
    if tuple(dims) != file.shape:
        raise wrong(f"holds {_times(dims)} values, expected {_times(file.shape)}")
    expected = header + int(np.prod(file.shape))
    if len(content) != expected:
        kind = "truncated" if len(content) < expected else "too long"
        raise wrong(f"{kind}: {len(content)} bytes unpacked, expected {expected}")
    array = np.frombuffer(content, np.uint8, offset=header).reshape(file.shape)
    if ndim == 1 and array.max() > 9:
        raise wrong(f"label {array.max()}, expected 0 to 9")
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise wrong(f"corrupt: SHA-256 of the content is {digest}, expected {file.sha256}")
    return array


def _times(dims: Sequence[int]) -> str:
    return " × ".join(str(n) for n in dims)


def download(mirrors: Sequence[str] = MIRRORS) -> Path:
    """Fetch what the user's cache lacks of Fashion-MNIST, verified; the folder.

    A file enters the cache whole and verified or not at all. Each mirror is asked up to twice.

    Raises:
        DataNotFoundError: no mirror gave a good copy; the message says what each one answered.
    """
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            if _path(folder, file) is None:
                _fetch(file, folder, mirrors)
    except OSError as error:
        raise DataNotFoundError(f"{folder} cannot be written: {error}") from error
    return folder


def _fetch(file: _File, folder: Path, mirrors: Sequence[str]) -> None:
    import pooch
    import requests

    failures = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
        partial = Path(temporary) / f"{file.name}.gz"
        fetch = pooch.HTTPDownloader(
            progressbar=sys.stderr is not None and sys.stderr.isatty(),
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
        )
        for mirror in [*mirrors] * ATTEMPTS:
            try:
                fetch(f"{mirror}{file.name}.gz", str(partial), None)
                _read(partial, file)
            except (requests.RequestException, OSError, DataError) as error:
                failures.append(f"{mirror}: {_reason(error)}")
            else:
                partial.replace(folder / partial.name)
                return
    raise DataNotFoundError(
        f"{file.name} could not be downloaded: " + "; ".join(dict.fromkeys(failures))
    )


def _reason(error: Exception) -> str:
    """What a mirror's failure comes down to, in a few words."""
    import requests

    match error:
        case requests.Timeout():
            return "timed out"
        case requests.ConnectionError():
            return "no connection"
        case requests.HTTPError():
            return str(error).partition(" for url")[0]  # 404 Client Error: Not Found
        case DataError():
            return str(error).partition(": ")[2].partition(". It is left")[0]
    return f"{type(error).__name__}: {error}"


def to_network(images: npt.NDArray[np.uint8], dtype: str) -> npt.NDArray[Any]:
    """Images uint8 (n, 28, 28) as the network takes them: (n, 784) of ``dtype``, in [0, 1].

    Divided in ``dtype`` itself: float32 pixels would move a float64 run as far as float32 weights
    do.
    """
    rows = images.reshape(len(images), -1)
    pixels: npt.NDArray[Any] = np.divide(rows, 255, dtype=dtype, out=aligned(rows.shape, dtype))
    return pixels
