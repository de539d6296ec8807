"""A failed download says why. The servers and proxies are real, on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from d2ldrop.data import DataNotFoundError, download
from d2ldrop.data.mirror import MirrorError, Patience, fetch
from tests.data.conftest import NOBODY
from tests.data.hostile import GOOD, LENGTH, SMALL, Behaviour, Mirror, Visit, moved, sent

DEAD = NOBODY.removeprefix("http://").rstrip("/")
WANTS_PASSWORD = b"407 Proxy Authentication Required"


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], str]]:
    """Start a server and return its host and port; all are closed after the test."""
    mirrors: list[Mirror] = []

    def start(behave: Behaviour, reads_request: bool = True) -> str:
        mirrors.append(Mirror(behave, reads_request))
        return mirrors[-1].address

    yield start
    for mirror in mirrors:
        mirror.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE"):
            monkeypatch.delenv(name)


def why(url: str, patience: float = 60) -> str:
    """The reason for which a request fails."""
    with pytest.raises(MirrorError) as caught:
        fetch(url, len(GOOD), Patience(patience, patience))
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_connection(scheme: str) -> None:
    assert why(f"{scheme}://{DEAD}/x") == "connection refused"
    assert why(f"{scheme}://mirror.invalid/x").startswith("name not resolved: ")


def test_where_a_mirror_has_sent_us(serve: Callable[[Behaviour], str]) -> None:
    mirror = serve(moved(f"http://u:secret@{DEAD}/y".encode()))
    assert why(f"http://{mirror}/x") == f"moved to {DEAD}: connection refused"
    mirror = serve(moved(b"http://elsewhere.invalid/y"))
    assert why(f"http://{mirror}/x").startswith("moved to elsewhere.invalid: name not resolved: ")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("variable", ["{}_proxy", "all_proxy"])
def test_proxies(
    serve: Callable[[Behaviour], str], monkeypatch: pytest.MonkeyPatch, scheme: str, variable: str
) -> None:
    url, variable = f"{scheme}://mirror.invalid/x", variable.format(scheme)
    monkeypatch.setenv(variable, f"http://me:secret@{DEAD}")
    assert why(url) == f"proxy {DEAD}: connection refused"
    monkeypatch.setenv(variable, DEAD)
    assert why(url) == f"proxy {DEAD}: connection refused"
    monkeypatch.setenv(variable, "http://proxy.invalid:3128")
    assert why(url).startswith("proxy proxy.invalid:3128: name not resolved: ")
    proxy = serve(sent(status=WANTS_PASSWORD))
    monkeypatch.setenv(variable, f"http://{proxy}")
    assert why(url).startswith(f"proxy {proxy}: ")
    assert "407" in why(url)
    assert why(url).endswith("Proxy Authentication Required")


def test_a_proxy_is_not_to_blame_for_the_mirror(
    serve: Callable[[Behaviour], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{serve(sent(status=b'404 Not Found'))}")
    assert why("http://mirror.invalid/x") == "404 Client Error: Not Found"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert why(f"http://{DEAD}/x") == "connection refused"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's queue of connections")
def test_a_connection_that_nobody_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:  # they fill the queue
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        assert why(f"http://{address}/x", patience=0.5) == "timed out"
        monkeypatch.setenv("https_proxy", f"http://{address}")
        assert why("https://mirror.invalid/x", patience=0.5) == f"proxy {address}: timed out"
        for client in waiting:
            client.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_certificates(
    serve: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=mirror", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def send_encrypted(visit: Visit) -> None:
        with context.wrap_socket(visit.connection, server_side=True) as encrypted:
            encrypted.recv(65536)
            Visit(encrypted, visit.path, visit.deadline).send(LENGTH, body=GOOD)

    mirror = serve(send_encrypted, reads_request=False)
    assert why(f"https://{mirror}/x").startswith("certificate not accepted: self")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert fetch(f"https://{mirror}/x", len(GOOD), Patience(60, 60)) == GOOD
    other_name = mirror.replace("127.0.0.1", "localhost")
    assert "certificate not accepted: Hostname mismatch" in why(f"https://{other_name}/x")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "no-such-file"))
    assert "invalid path" in why(f"https://{mirror}/x")


def test_the_error_has_an_address_and_a_cause_for_each_mirror(
    serve: Callable[[Behaviour], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [sent(status=b"503 Busy"), sent(status=b"404 Not Found")]

    def answer_differently(visit: Visit) -> None:
        answers.pop(0)(visit)

    changing = serve(answer_differently)
    monkeypatch.setattr(download, "FILES", (SMALL,))
    with pytest.raises(DataNotFoundError) as caught:
        download.download([NOBODY, f"http://{changing}/"], quiet=True)
    assert str(caught.value) == (
        f"{SMALL.name} could not be downloaded: {NOBODY}: connection refused; "
        f"http://{changing}/: 503 Server Error: Busy, then 404 Client Error: Not Found"
    )
