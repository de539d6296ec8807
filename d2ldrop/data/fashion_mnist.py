"""The files of Fashion-MNIST: find them on this machine, verify them, read them.

Fashion-MNIST: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
machine learning algorithms" (arXiv:1708.07747). The files are in IDX format, gzipped or not.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from d2ldrop.data.idx import DataError, IdxFile, read_idx

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""The folder of Debian's package dataset-fashion-mnist."""
FILES = (
    IdxFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        26_421_880,
    ),
    IdxFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        29_515,
    ),
    IdxFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        4_422_102,
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        5_148,
    ),
)


class DataNotFoundError(DataError):
    """Fashion-MNIST was not found, and could not be downloaded."""


def cache_dir() -> Path:
    """The folder of the user's cache that keeps downloaded files."""
    import platformdirs

    return platformdirs.user_cache_path("d2ldrop") / "fashion-mnist"


def find_fashion_mnist(data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder on this machine that holds the four files, or None.

    Raises:
        DataError: ``data_dir`` or D2LDROP_DATA_DIR is set, but the folder lacks a file or cannot be
            read.
    """
    source = "data_dir" if data_dir is not None else "D2LDROP_DATA_DIR"
    chosen = data_dir if data_dir is not None else os.environ.get("D2LDROP_DATA_DIR") or None
    if chosen is None:
        return next((folder for folder in (cache_dir(), DEBIAN) if _has_all(folder)), None)
    # The user has named this folder, so there is no fallback.
    folder = Path(chosen)
    try:
        missing = [file.name for file in FILES if find_file(folder, file) is None]
    except OSError as error:
        raise DataError(
            f"{source} cannot be read: {error}. Name the folder that holds the four files"
        ) from error
    if missing:
        raise DataError(
            f"{source} {folder} lacks {', '.join(missing)} (as it is, or with .gz): "
            "name the folder that holds the four files"
        )
    return folder


def _has_all(folder: Path) -> bool:
    try:
        return all(find_file(folder, file) for file in FILES)
    except OSError:  # for example, this user may not enter the folder: look in the next one
        return False


def find_file(folder: Path, file: IdxFile) -> Path | None:
    """The path of ``file`` in ``folder``, unpacked or gzipped; None if the folder lacks it.

    The path may be a pipe, a device or a folder, if there is no regular file. ``read_file`` refuses
    it.

    Raises:
        OSError: the folder cannot be searched.
    """
    paths = (folder / file.name, folder / f"{file.name}.gz")
    regular = (path for path in paths if path.is_file())
    return next(regular, None) or next((path for path in paths if path.exists()), None)


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
    """The array in an IDX file, verified by ``read_idx``.

    Raises:
        DataError: the content differs from the description in ``file``; the message says how.
    """
    try:
        if path.is_file():
            with path.open("rb") as stream:
                return read_idx(stream, file)
        what = "not a regular file"  # opening a pipe would wait for its writer
    except DataError as error:
        what = str(error)
    except OSError as error:
        what = f"cannot be read ({error})"
    raise DataError(
        f"{path}: {what}. The file is not changed: move it away and fetch a fresh copy "
        "('d2ldrop data --download'), or choose another folder (data_dir)"
    )
