"""Where the files of Fashion-MNIST may lie, and under which names.

Other programs keep the same four files in folders of their own. The names alone decide nothing:
MNIST has the same ones. So whoever searches these places verifies the content.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from d2ldrop.data.idx import DataError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""The folder of Debian's package dataset-fashion-mnist."""
SUBFOLDERS = (
    ".",
    "raw",  # of torchvision's folder FashionMNIST
    "FashionMNIST/raw",  # of torchvision's root
    "data/fashion",  # of a clone of the data's repository
    "fashion",
    "fashion-mnist",  # of the folders where Keras, MXNet and PaddlePaddle keep data sets
    "datasets/fashion-mnist",  # of Keras's and MXNet's folder
    "dataset/fashion-mnist",  # of PaddlePaddle's folder
)
"""Where the files may lie in a folder that the user names."""


def cache_dir() -> Path:
    """The folder of the user's cache that keeps downloaded files."""
    import platformdirs

    return platformdirs.user_cache_path("d2ldrop") / "fashion-mnist"


def other_folders() -> list[Path]:
    """The folders of Debian's package, Keras, MXNet and PaddlePaddle."""
    keras = os.environ.get("KERAS_HOME", "~/.keras")
    mxnet = os.environ.get("MXNET_HOME", "%APPDATA%/mxnet" if os.name == "nt" else "~/.mxnet")
    caches = (
        f"{keras}/datasets/fashion-mnist",
        f"{mxnet}/datasets/fashion-mnist",
        "~/.cache/paddle/dataset/fashion-mnist",
    )
    return [DEBIAN, *(_expanded(os.path.expandvars(cache)) for cache in caches)]


def named_folder(data_dir: str | os.PathLike[str] | None) -> tuple[str, Path] | None:
    """The folder that the user names, and what names it: data_dir or D2LDROP_DATA_DIR.

    Raises:
        DataError: the folder does not exist, is a file or cannot be read.
    """
    source = "data_dir" if data_dir is not None else "D2LDROP_DATA_DIR"
    chosen = data_dir if data_dir is not None else os.environ.get("D2LDROP_DATA_DIR") or None
    if chosen is None:
        return None
    folder = _expanded(chosen)
    hint = "name the folder that holds the four files"
    try:
        next(folder.iterdir(), None)
    except FileNotFoundError as error:
        otherwise = f", or leave {source} out: then the usual places are searched"
        raise DataError(f"{source} {folder} does not exist: {hint}{otherwise}") from error
    except NotADirectoryError as error:
        raise DataError(f"{source} {folder} is not a folder: {hint}") from error
    except (OSError, ValueError) as error:  # ValueError: the path contains NUL
        raise DataError(f"{source} cannot be read: {error}. {hint.capitalize()}") from error
    return source, folder


def candidates(folder: Path, name: str) -> list[Path]:
    """What ``folder`` holds under the usual names of the file ``name``; empty if it has no such.

    Besides "train-images-idx3-ubyte" there is "train-images.idx3-ubyte", and both can end with
    ".gz" in any case. 7-Zip unpacks a file into a folder of the same name, so files in such folders
    follow. Pipes, devices and other folders come last.
    """
    here = _usually_named(folder, name)
    files = [path for path in here if path.is_file()]
    folders = [path for path in here if path.is_dir()]
    inside = [path for parent in folders for path in _usually_named(parent, name) if path.is_file()]
    used = {*files, *(path.parent for path in inside)}
    return [*files, *inside, *(path for path in here if path not in used)]


def _usually_named(folder: Path, name: str) -> list[Path]:
    pattern = re.compile(re.escape(name).replace(r"\-idx", "[-.]idx") + r"(\.gz)?", re.IGNORECASE)
    try:
        here = sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))
        return [path for path in here if path.exists()]  # a link may lead nowhere
    except OSError:  # it is not there, or this user may not enter it: look in the next one
        return []


def _expanded(folder: str | os.PathLike[str]) -> Path:
    """The folder, with the home folder for "~"; a "~" of an unknown user stays."""
    return Path(os.path.expanduser(folder))  # noqa: PTH111  # Path.expanduser raises for that user
