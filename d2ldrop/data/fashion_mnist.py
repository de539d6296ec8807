"""The files of Fashion-MNIST: find them on this machine, verify them, read them.

Fashion-MNIST: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
machine learning algorithms" (arXiv:1708.07747). The files are in IDX format, gzipped or not. Only
the unpacked content is verified.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""The folder of Debian's package dataset-fashion-mnist."""


@dataclass(frozen=True)
class IdxFile:
    """One of the four files, with the shape and the checksum of its unpacked content."""

    name: str
    shape: tuple[int, ...]
    sha256: str


FILES = (
    IdxFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    IdxFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    IdxFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)


class DataError(Exception):
    """The data cannot be used; the message names the file and the reason."""


class DataNotFoundError(DataError):
    """Fashion-MNIST was not found, and could not be downloaded."""


def cache_dir() -> Path:
    """The folder of the user's cache that keeps downloaded files."""
    import platformdirs

    return platformdirs.user_cache_path("d2ldrop") / "fashion-mnist"


def find_fashion_mnist(data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder on this machine that holds the four files, or None.

    Raises:
        DataError: ``data_dir`` or D2LDROP_DATA_DIR is set, but the folder lacks a file.
    """
    source = "data_dir" if data_dir is not None else "D2LDROP_DATA_DIR"
    chosen = data_dir if data_dir is not None else os.environ.get("D2LDROP_DATA_DIR") or None
    if chosen is not None:
        folder = Path(chosen)
        missing = [file.name for file in FILES if find_file(folder, file) is None]
        if missing:
            # The user has named this folder, so there is no fallback.
            raise DataError(
                f"{source} {folder} lacks {', '.join(missing)} (as it is, or with .gz): "
                "name the folder that holds the four files"
            )
        return folder
    for folder in (cache_dir(), DEBIAN):
        if all(find_file(folder, file) for file in FILES):
            return folder
    return None


def find_file(folder: Path, file: IdxFile) -> Path | None:
    """The path of ``file`` in ``folder``, unpacked or gzipped; None if the folder lacks it."""
    for path in (folder / file.name, folder / f"{file.name}.gz"):
        if path.is_file():
            return path
    return None


def read_fashion_mnist(folder: Path) -> list[npt.NDArray[np.uint8]]:
    """The four arrays in the order of ``FILES``: uint8, (n, 28, 28) or (n,), verified.

    Raises:
        DataNotFoundError: ``folder`` lacks a file.
        DataError: a file is truncated, corrupt or a different file; the message names it.
    """
    arrays = []
    for file in FILES:
        path = find_file(folder, file)
        if path is None:
            raise DataNotFoundError(f"{folder} lacks {file.name}")
        arrays.append(read_file(path, file))
    return arrays


def read_file(path: Path, file: IdxFile) -> npt.NDArray[np.uint8]:
    """The array in an IDX file: a magic number, the dimensions, then the bytes, all big-endian.

    Raises:
        DataError: the content differs from the description in ``file``; the message says how.
    """

    def wrong(what: str) -> DataError:
        return DataError(
            f"{path}: {what}. The file is not changed: move it away and fetch a fresh copy "
            "('d2ldrop data --download'), or choose another folder (data_dir)"
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
        raise wrong(f"magic number {magic:#010x}, expected {0x800 + ndim:#010x}")
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
