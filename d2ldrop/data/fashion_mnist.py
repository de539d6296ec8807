"""The files of Fashion-MNIST: find them on this machine, verify them, read them.

Fashion-MNIST: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
machine learning algorithms" (arXiv:1708.07747). The files are in IDX format, gzipped or not.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from d2ldrop.data.idx import DataError, IdxFile, read_idx
from d2ldrop.data.places import SUBFOLDERS, cache_dir, candidates, named_folder, other_folders

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


class Copy(NamedTuple):
    """A good copy of one of the four files: its path and its array, uint8 (n, 28, 28) or (n,)."""

    path: Path
    array: npt.NDArray[np.uint8]


def find_fashion_mnist(data_dir: str | os.PathLike[str] | None = None) -> list[Copy]:
    """Find good copies of the four files on this machine, in the order of ``FILES``.

    A file with other content is passed over if there is a good copy elsewhere.

    Raises:
        DataNotFoundError: neither ``data_dir`` nor D2LDROP_DATA_DIR names a folder, and the usual
            places lack a file.
        DataError: a folder is named, but lacks a file or cannot be read; or the only copy there, or
            in the user's cache, is corrupt.
    """
    named = named_folder(data_dir)
    if named is None:
        places = [cache_dir(), *other_folders()]
        wrong: dict[Path, DataError] = {}
        copies, missing = _search(places[:1], places[1:], wrong)
        if missing:
            looked = f"looked in {', '.join(map(str, places))}"
            passed_over = f"; wrong content: {', '.join(map(str, wrong))}" if wrong else ""
            raise DataNotFoundError(f"Fashion-MNIST is not on this machine ({looked}{passed_over})")
        return copies
    source, folder = named
    copies, missing = _search([folder / subfolder for subfolder in SUBFOLDERS])
    if missing:
        raise DataError(
            f"{source} {folder} lacks {', '.join(missing)} (as it is, or with .gz): "
            "name the folder that holds the four files"
        )
    return copies


def read_fashion_mnist(folder: Path) -> list[Copy]:
    """Good copies of the four files in ``folder``, in the order of ``FILES``.

    Raises:
        DataNotFoundError: ``folder`` lacks a file.
        DataError: a file is truncated, corrupt or a different file; the message names it.
    """
    copies, missing = _search([folder])
    if missing:
        raise DataNotFoundError(f"{folder} lacks {', '.join(missing)}")
    return copies


def _search(
    own: Sequence[Path],
    others: Sequence[Path] = (),
    passed_over: dict[Path, DataError] | None = None,
) -> tuple[list[Copy], list[str]]:
    """The first good copy of each file, and the names of files without any.

    Raises:
        DataError: a file in the folders ``own`` is wrong, and there is no good copy. Wrong files in
            ``others`` belong to other programs: they are added to ``passed_over``.
    """
    copies, missing = [], []
    passed_over = {} if passed_over is None else passed_over
    for file in FILES:
        wrong: dict[Path, DataError] = {}
        found = itertools.chain(
            _good_copies(file, own, wrong), _good_copies(file, others, passed_over)
        )
        if good := next(found, None):
            copies.append(good)
        elif wrong:
            raise next(iter(wrong.values()))
        else:
            missing.append(file.name)
    return copies, missing


def _good_copies(
    file: IdxFile, folders: Sequence[Path], wrong: dict[Path, DataError]
) -> Iterator[Copy]:
    """Read the copies in ``folders``; add the errors of wrong ones to ``wrong``."""
    for folder in folders:
        for path in candidates(folder, file.name):
            try:
                yield Copy(path, read_file(path, file))
            except DataError as error:
                wrong[path] = error


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
