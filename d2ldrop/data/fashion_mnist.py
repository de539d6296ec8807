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
DATASETS = ("auto", "fashion-mnist", "stand-in")
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


@dataclass(frozen=True)
class DataSource:
    """Which images to load; ``load`` looks for them.

    Attributes:
        dataset: "fashion-mnist"; "stand-in", images drawn by code; or "auto": Fashion-MNIST if it
            can be found or downloaded, otherwise the stand-in, with a StandInWarning.
        data_dir: a folder that holds the four files; only this folder is searched.
        train_size: use the first ``train_size`` training images only.
        test_size: use the first ``test_size`` test images only.

    Raises:
        TypeError: a size is not an integer.
        ValueError: an unknown dataset, a size out of range, or ``data_dir`` for the stand-in.
    """

    dataset: str = "auto"
    data_dir: str | os.PathLike[str] | None = None
    train_size: int | None = None
    test_size: int | None = None

    def __post_init__(self) -> None:
        """Refuse bad arguments before anything is searched or downloaded."""
        if self.dataset not in DATASETS:
            raise ValueError(f"dataset must be one of {', '.join(DATASETS)}, got {self.dataset!r}")
        if self.dataset == "stand-in" and self.data_dir is not None:
            raise ValueError(
                "data_dir is a folder with Fashion-MNIST, but dataset 'stand-in' reads no file: "
                "leave data_dir out, or choose dataset 'fashion-mnist'"
            )
        for name, largest in (("train_size", 60_000), ("test_size", 10_000)):
            size = getattr(self, name)
            if size is not None:
                check_integer(size, name, f"an integer from 1 to {largest}", 1, largest)

    def load(self) -> Dataset:
        """Find, verify and read the images.

        Raises:
            DataNotFoundError: Fashion-MNIST was not found.
            DataError: a file is corrupt. The file is not changed.
        """
        if self.dataset == "stand-in":
            return self._stand_in()
        try:
            arrays = read_fashion_mnist(find_fashion_mnist(self.data_dir) or download(MIRRORS))
        except DataNotFoundError as error:
            if self.dataset == "fashion-mnist":
                raise
            warnings.warn(
                f"NOT the real Fashion-MNIST: training on the built-in stand-in ({error})",
                StandInWarning,
                stacklevel=2,
            )
            return self._stand_in()
        train_images, train_labels, test_images, test_labels = arrays
        return Dataset(
            "fashion-mnist",
            train_images[: self.train_size],
            train_labels[: self.train_size],
            test_images[: self.test_size],
            test_labels[: self.test_size],
        )

    def _stand_in(self) -> Dataset:
        from d2ldrop.data.stand_in import stand_in

        return Dataset("stand-in", *stand_in(self.train_size or 60_000, self.test_size or 10_000))


def load_data(
    dataset: str = "auto",
    *,
    data_dir: str | os.PathLike[str] | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
) -> Dataset:
    """Load Fashion-MNIST or its stand-in.

    Fashion-MNIST is searched in ``data_dir`` if given, else in the folder that the environment
    variable D2LDROP_DATA_DIR names if it is set, else in the user's cache, in Debian's package
    dataset-fashion-mnist and on the network, in this order.

    Arguments and errors are those of ``DataSource`` and ``DataSource.load``.
    """
    return DataSource(dataset, data_dir, train_size, test_size).load()


def as_dataset(data: Dataset | DataSource | str) -> Dataset:
    """``data`` itself if it is a Dataset, else the images that it names."""
    if isinstance(data, str):
        data = DataSource(data)
    return data.load() if isinstance(data, DataSource) else data


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
