"""Downloads from local servers."""

from __future__ import annotations

import functools
import http.server
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from d2ldrop.data import DataNotFoundError
from d2ldrop.data.download import download
from d2ldrop.data.fashion_mnist import FILES, find_fashion_mnist
from d2ldrop.data.places import cache_dir
from tests.data.conftest import NOBODY, has_debian

LABELS = "train-labels-idx1-ubyte.gz"
Serve = Callable[..., str]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Truncating(Quiet):
    """A server that announces the whole file and closes the connection in the middle."""

    def copyfile(self, source: object, outputfile: object) -> None:
        outputfile.write(source.read(3000))  # type: ignore[attr-defined]  # file objects


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(folder: Path, handler: type[Quiet] = Quiet) -> str:
        bound = functools.partial(handler, directory=str(folder))
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), bound)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@has_debian
def test_a_download_tries_all_mirrors_until_one_has_the_right_files(
    serve: Serve, real: Path, tmp_path: Path
) -> None:
    empty, spoilt = tmp_path / "empty", tmp_path / "spoilt"
    empty.mkdir()
    spoilt.mkdir()
    for file in FILES:
        (spoilt / f"{file.name}.gz").write_bytes(b"<html>log in to this network first</html>")
    mirrors = [NOBODY, serve(empty), serve(spoilt), serve(real, Truncating), serve(real)]
    folder = download(mirrors)
    assert folder == cache_dir()
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{f.name}.gz" for f in FILES)
    assert [copy.path.parent for copy in find_fashion_mnist()] == [folder] * 4


@has_debian
def test_a_download_fetches_only_missing_files(serve: Serve, real: Path) -> None:
    download([serve(real)])
    (cache_dir() / LABELS).unlink()
    for file in FILES:
        if not LABELS.startswith(file.name):
            (real / f"{file.name}.gz").unlink()
    download([serve(real)])
    assert (cache_dir() / LABELS).exists()


def test_a_failed_download_leaves_no_file_and_reports_each_answer(
    serve: Serve, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(
        DataNotFoundError, match=r"connection refused; .*404 Client Error"
    ) as caught:
        download([NOBODY, serve(empty)])
    assert (
        str(caught.value).count("127.0.0.1:9/:") == 1
    )  # each answer is named once, although there were two requests
    assert list(cache_dir().iterdir()) == []
