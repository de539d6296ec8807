"""``--live``: real requests to the server, and the page that it sends."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from d2ldrop.page import live
from d2ldrop.page.live import Live
from d2ldrop.page.observers import Observers
from d2ldrop.page.results import read_comparison
from tests.page.made_up import write_comparison

Answer = tuple[int, dict[str, str], str]
SMALL = "--dataset stand-in --train-size 256 --test-size 100 --num-epochs 1 --lockstep-steps 1"


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(live, "INTERVAL", 0.05)
    monkeypatch.setattr(live, "PATIENCE", 0.5)
    one = Live()
    yield one
    one.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_comparison(tmp_path / "a<b", variants=("numpy", "torch"), num_epochs=2)


def begun(folder: Path) -> dict[str, Any]:
    """The summary before the first run."""
    summary = read_comparison(folder).summary
    rows = {name: {"status": "not run"} for name in summary["backends"]}
    return {**summary, "backends": rows, "speed": {**summary["speed"], "backends": {}}}


def ask(
    serving: Live, path: str | None = None, method: str = "GET", host: str | None = None
) -> Answer:
    parts = urlsplit(serving.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    connection.request(method, path or parts.path, headers={"Host": host or parts.netloc})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


class Stream:
    """A browser that holds the stream open."""

    def __init__(self, url: str) -> None:
        self.answer = urllib.request.urlopen(f"{url}events", timeout=10)

    def page(self) -> str | None:
        """The next page; None at the end of the stream."""
        for line in self.answer:
            if line.startswith(b"data: "):
                return str(json.loads(line[6:]))
        return None


def test_the_page_and_its_headers(serving: Live, folder: Path) -> None:
    serving.on_summary(begun(folder))
    status, headers, page = ask(serving)
    assert status == 200
    assert "a&lt;b" in page
    assert "a<b" not in page
    assert 'id="live"' in page
    assert 'id="table"' not in page  # no row has figures yet
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert policy.split("; frame-ancestors")[0] in page  # the same scripts are allowed in the page


@pytest.mark.parametrize("path", ["/", "/events", "/x/", "/x/events", "{}x/", "{}%2e%2e/", "{}../"])
@pytest.mark.parametrize("more", ["", "summary.json"])
def test_anything_else_is_not_found(serving: Live, path: str, more: str) -> None:
    assert ask(serving, path.format(urlsplit(serving.url).path) + more)[0] == 404


def test_a_file_beside_the_page_is_not_served(serving: Live) -> None:
    base = urlsplit(serving.url).path
    for path in ("summary.json", "../../etc/passwd", "events/", "events?x"):
        assert ask(serving, base + path)[0] == 404
    assert ask(serving, base[:-2] + "x/")[0] == 404  # a token that is nearly right


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost"])
def test_another_host_is_refused(serving: Live, host: str) -> None:
    status, _, text = ask(serving, host=host)
    assert (status, text) == (421, "Misdirected Request\n")


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_get(serving: Live, method: str) -> None:
    status, headers, _ = ask(serving, method=method)
    assert (status, headers["Allow"]) == (405, "GET")


def test_it_listens_on_the_loopback_only(serving: Live) -> None:
    assert serving._server.server_address[0] == "127.0.0.1"


def test_two_streams_show_the_run_until_its_end(serving: Live, folder: Path) -> None:
    streams = [Stream(serving.url), Stream(serving.url)]
    for stream in streams:
        assert stream.page() is not None
    serving.on_summary(begun(folder))
    step = {"event": "step", "phase": "train", "done": 1, "total": 4}
    serving.on_event("torch", step)
    epochs = read_comparison(folder).runs["torch"].result["epochs"]
    serving.on_event("torch", {"event": "epoch", "phase": "train", **epochs[0]})
    for stream in streams:
        shown = stream.page() or ""
        while "chart-curves" not in shown:
            shown = stream.page() or ""
            assert shown
        assert "25 %" in shown
        assert "waiting" in shown
    serving.on_summary(read_comparison(folder).summary)
    serving.close()
    for stream in streams:
        last = ""
        while (page := stream.page()) is not None:
            last = page
        assert 'data-ended="true"' in last
        assert "done" in last


def test_a_browser_that_goes_costs_nothing(serving: Live, folder: Path) -> None:
    stream = Stream(serving.url)
    stream.page()
    stream.answer.close()
    serving.on_summary(begun(folder))
    for _ in range(20):
        serving.on_event("torch", {"event": "failed", "message": "x"})
        serving.on_event("torch", {"event": "step", "phase": "train", "done": 1, "total": 2})
        time.sleep(0.02)
    assert ask(serving)[0] == 200


def test_too_many_streams_are_refused(serving: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STREAMS", 1)
    first = Stream(serving.url)
    first.page()
    assert ask(serving, f"{urlsplit(serving.url).path}events")[0] == 503
    assert ask(serving)[0] == 200


def test_a_resumed_run_shows_its_earlier_epochs(serving: Live, folder: Path) -> None:
    serving.on_summary(begun(folder))
    epochs = read_comparison(folder).runs["torch"].result["epochs"]
    serving.on_event("torch", {"event": "epoch", "phase": "train", **epochs[1]})
    found = serving._state.snapshot().epochs["train", "torch"]
    assert [one["epoch"] for one in found] == [1, 2]


def test_no_free_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "ADDRESS", "192.0.2.1")  # an address that no machine has
    with pytest.raises(OSError, match="--live cannot listen"):
        Live()


def test_an_observer_that_fails_costs_only_itself() -> None:
    class Broken:
        def on_event(self, name: str, event: dict[str, Any]) -> None:
            raise RuntimeError("broken")

        def on_summary(self, summary: dict[str, Any]) -> None:
            raise AssertionError("nobody calls it")

        def close(self) -> None:
            raise AssertionError("nobody calls it")

    observers = Observers([Broken()])
    with pytest.warns(UserWarning, match="Broken has failed and stops: broken"):
        observers.on_event("numpy", {})
    observers.on_event("numpy", {})
    observers.close()


def start(out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "d2ldrop", "compare", "numpy", "--name", "a", "--quiet"]
    arguments = [*command, "--out", str(out), "--dtype", "float32", *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True)


def address(running: subprocess.Popen[str]) -> str:
    assert running.stderr is not None
    return next(line for line in running.stderr if "Live page" in line).split()[-1]


def test_a_comparison_ends_with_its_stream(tmp_path: Path) -> None:
    running = start(tmp_path, *SMALL.split(), "--live", "--tensorboard", "--json")
    stream, last = Stream(address(running)), ""
    while (page := stream.page()) is not None:
        last = page
    out, _ = running.communicate(timeout=30)
    assert 'data-ended="true"' in last
    assert "chart-curves" in last
    assert json.loads(out)["backends"]["numpy"]["status"] == "ok"
    assert (tmp_path / "a" / "report.html").exists()
    assert list((tmp_path / "a" / "tensorboard" / "numpy").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_ctrl_c_ends_it_though_a_stream_is_open(tmp_path: Path) -> None:
    running = start(tmp_path, *SMALL.split(), "--num-epochs", "2000", "--live")
    stream = Stream(address(running))
    while "chart-curves" not in (stream.page() or ""):
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130


def test_without_live_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    from d2ldrop.cli.watching import observers_of

    monkeypatch.setattr("socket.socket.listen", lambda *_: pytest.fail("something listens"))
    assert observers_of(tensorboard=False, live=False) == []
