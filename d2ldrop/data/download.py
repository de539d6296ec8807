"""Download Fashion-MNIST from its mirrors into the user's cache."""

from __future__ import annotations

import io
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from d2ldrop.core.files import write_bytes
from d2ldrop.data.download_progress import DownloadProgress
from d2ldrop.data.fashion_mnist import FILES, DataNotFoundError
from d2ldrop.data.idx import DataError, IdxFile, read_idx
from d2ldrop.data.mirror import PATIENCE, Patience, fetch
from d2ldrop.data.places import cache_dir, candidates

MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
ATTEMPTS = 2  # per mirror
PRIVATE = ".download-"
"""A temporary folder in the cache: this prefix, the host's name, the process id, some letters."""
OLD = 3600
"""Seconds after which a temporary folder belongs to nobody: writing a file takes far less."""


def download(
    mirrors: Sequence[str] | None = None, *, quiet: bool = False, patience: Patience = PATIENCE
) -> Path:
    """Fetch the files that the user's cache lacks; return the cache's folder.

    Only complete and verified files enter the cache. Each of ``mirrors`` (MIRRORS if not given) is
    tried up to twice, but a slow one only once. Progress goes to stderr, unless ``quiet``.

    Raises:
        DataNotFoundError: no mirror has a good copy, or the cache cannot be written. The message
            gives the answer of each mirror.
    """
    folder = cache_dir()
    order = [*(mirrors or MIRRORS)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        for file in FILES:
            if not candidates(folder, file.name):
                with DownloadProgress(quiet) as progress:
                    content = _from_any(order, file, patience, progress)
                _save(content, folder, f"{file.name}.gz")
    except OSError as error:
        raise DataNotFoundError(f"{folder} cannot be written: {error}") from error
    return folder


def _from_any(
    order: list[str], file: IdxFile, patience: Patience, progress: DownloadProgress
) -> bytes:
    """The gzipped file from the first mirror that has a good copy.

    Mirrors that fail move to the end of ``order``, so that the next file does not wait for them.
    """
    failures: dict[str, list[str]] = {}
    mirrors = [*order]
    for _ in range(ATTEMPTS):
        again = []
        for mirror in mirrors:
            began = time.monotonic()
            try:
                progress.start(f"{file.name}.gz", mirror, file.packed_size)
                url = f"{mirror}{file.name}.gz"
                content = fetch(url, file.packed_size, patience, progress.update)
                read_idx(io.BytesIO(content), file)
            except DataError as error:
                failures.setdefault(mirror, []).append(str(error))
                order.remove(mirror)
                order.append(mirror)
                if time.monotonic() - began < patience.seconds:
                    again.append(mirror)
            else:
                return content
        mirrors = again
    answers = (
        f"{mirror}: {', then '.join(dict.fromkeys(given))}" for mirror, given in failures.items()
    )
    raise DataNotFoundError(f"{file.name} could not be downloaded: {'; '.join(answers)}")


def _save(content: bytes, folder: Path, name: str) -> None:
    """Write a file into the cache, completely or not at all."""
    prefix = f"{PRIVATE}{platform.node()}-{os.getpid()}-"
    with tempfile.TemporaryDirectory(dir=folder, prefix=prefix) as private:
        partial = Path(private) / name
        write_bytes(partial, content)
        partial.replace(folder / name)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes have left: old folders, and those of dead processes."""
    for path in folder.glob(f"{PRIVATE}*"):
        with suppress(OSError):  # another process may have removed it
            if time.time() - path.lstat().st_mtime > OLD or _owner_is_dead(path.name):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _owner_is_dead(name: str) -> bool:
    """Whether a temporary folder was made on this host, by a process that no longer runs."""
    host, _, rest = name.removeprefix(PRIVATE).rpartition("-")[0].rpartition("-")
    # On Windows, os.kill would end the process.
    if host != platform.node() or not rest.isdecimal() or os.name != "posix":
        return False
    try:
        os.kill(int(rest), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False
