"""Download Fashion-MNIST from its mirrors into the user's cache."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from d2ldrop.data.fashion_mnist import (
    FILES,
    DataError,
    DataNotFoundError,
    IdxFile,
    cache_dir,
    find_file,
    read_file,
)

MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
CONNECT_TIMEOUT, READ_TIMEOUT = 5, 30  # seconds
ATTEMPTS = 2  # per mirror


def download(mirrors: Sequence[str] | None = None) -> Path:
    """Fetch the files that the user's cache lacks; return the cache's folder.

    Only complete and verified files enter the cache. Each of ``mirrors`` (MIRRORS if not given) is
    tried up to twice.

    Raises:
        DataNotFoundError: no mirror has a good copy, or the cache cannot be written. The message
            gives the answer of each mirror.
    """
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            if find_file(folder, file) is None:
                _fetch(file, folder, mirrors or MIRRORS)
    except OSError as error:
        raise DataNotFoundError(f"{folder} cannot be written: {error}") from error
    return folder


def _fetch(file: IdxFile, folder: Path, mirrors: Sequence[str]) -> None:
    """Download one file from the first mirror that has a good copy."""
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
                read_file(partial, file)
            except (requests.RequestException, OSError, DataError) as error:
                failures.append(f"{mirror}: {_reason(error)}")
            else:
                partial.replace(folder / partial.name)
                return
    raise DataNotFoundError(
        f"{file.name} could not be downloaded: " + "; ".join(dict.fromkeys(failures))
    )


def _reason(error: Exception) -> str:
    """The reason why a mirror failed, in a few words."""
    import requests

    match error:
        case requests.Timeout():
            return "timed out"
        case requests.ConnectionError():
            return "no connection"
        case requests.HTTPError():
            return str(error).partition(" for url")[0]  # 404 Client Error: Not Found
        case DataError():
            return str(error).partition(": ")[2].partition(". The file is not changed")[0]
    return f"{type(error).__name__}: {error}"
