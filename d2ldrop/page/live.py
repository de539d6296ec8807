"""``compare --live``: a server on 127.0.0.1 that shows a running comparison.

It answers GET requests for two paths: the page, and the stream of its changes. Both contain a
random token, so other users and web sites cannot read them. The ``Host`` header is checked, because
a web site could give 127.0.0.1 a name of its own (DNS rebinding).
"""

from __future__ import annotations

import hmac
import json
import secrets
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from d2ldrop.page.frame import content_policy, live_script
from d2ldrop.page.live_page import LivePage
from d2ldrop.page.live_state import LiveState

ADDRESS = "127.0.0.1"
STREAMS = 20
"""At most so many browsers hold a stream."""
INTERVAL = 1.0
"""Seconds between two pages of a stream, at least: drawing takes time from the training."""
HEARTBEAT = 5.0
"""Seconds without a change after which a comment is sent, which fails if the browser is gone."""
PATIENCE = 2.0
"""Seconds for the streams to send the last page."""
SEND_TIMEOUT = 5.0
"""Seconds after which a browser that does not read is dropped."""


class Live:
    """An observer that serves what it hears."""

    def __init__(self, announce: Callable[[str], None] = lambda _: None) -> None:
        """Start to serve. ``announce`` gets the address when the comparison begins.

        Raises:
            OSError: no port of 127.0.0.1 is free.
        """
        self._announce = announce
        self._state = LiveState()
        self._token = secrets.token_urlsafe(24)
        shared = _Shared(self._state, self._token)
        try:
            self._server = _Server((ADDRESS, 0), partial(_Handler, shared))
        except OSError as error:
            raise OSError(f"--live cannot listen on {ADDRESS}: {error}; leave it out") from error
        self._shared = shared
        shared.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{ADDRESS}:{self._server.server_port}/{self._token}/"

    def on_event(self, name: str, event: dict[str, Any]) -> None:
        """Take a worker's report."""
        self._state.on_event(name, event)

    def on_summary(self, summary: dict[str, Any]) -> None:
        """Take the summary so far."""
        if self._state.snapshot().summary is None:
            self._announce(self.url)
        self._state.on_summary(summary)

    def close(self) -> None:
        """Send the last page to the open streams, for ``PATIENCE`` seconds at most; then stop."""
        self._state.end()
        try:
            self._shared.wait_for_streams(PATIENCE)
        finally:
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # do not wait for browsers
    failed = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say once what went wrong; the training goes on. A browser that is gone is no error."""
        error = sys.exception()
        if not (isinstance(error, OSError) or self.failed):
            self.failed = True
            warnings.warn(f"the live page has failed: {error}", stacklevel=2)


class _Shared:
    """What the threads of the server share."""

    def __init__(self, state: LiveState, token: str) -> None:
        self.state = state
        self.page = LivePage(state)
        self.port = 0
        self.token = token
        self._streams = 0
        self._changed = threading.Condition()

    def enter(self) -> bool:
        """Count a new stream; False if there are too many."""
        with self._changed:
            if self._streams >= STREAMS:
                return False
            self._streams += 1
            return True

    def leave(self) -> None:
        """A stream has ended."""
        with self._changed:
            self._streams -= 1
            self._changed.notify_all()

    def wait_for_streams(self, timeout: float) -> None:
        """Wait until no stream is open."""
        with self._changed:
            self._changed.wait_for(lambda: self._streams == 0, timeout)


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection. Anything but the two paths is 404, anything but GET is refused."""

    timeout = SEND_TIMEOUT
    server_version, sys_version = "d2ldrop", ""

    def __init__(self, shared: _Shared, *args: Any) -> None:
        self._shared = shared
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer with the page or the stream."""
        hosts = {f"{name}:{self._shared.port}" for name in (ADDRESS, "localhost")}
        if self.headers.get_all("Host", []) not in [[host] for host in hosts]:
            return self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
        start, token, name = [*self.path.split("/"), "", ""][:3]
        known = hmac.compare_digest(token.encode("latin-1", "replace"), self._shared.token.encode())
        if not known or start or self.path.count("/") != 2:
            return self._refuse(HTTPStatus.NOT_FOUND)
        if name == "events":
            return self._stream()
        if name.partition("?")[0] == "":  # ?lang=zh chooses the language
            return self._send(HTTPStatus.OK, "text/html", self._shared.page.html().encode())
        return self._refuse(HTTPStatus.NOT_FOUND)

    def _only_get(self) -> None:
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _only_get  # noqa: N815 - as above

    def _stream(self) -> None:
        if not self._shared.enter():
            return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            self._head(HTTPStatus.OK, "text/event-stream")
            self._send_pages()
        except OSError:
            pass  # the browser is gone, and nobody else cares
        finally:
            self._shared.leave()
        return None

    def _send_pages(self) -> None:
        """Send the page whenever it has changed, until the comparison has ended."""
        state, version, ended = self._shared.state, -1, False
        while not ended:
            newest = state.wait(version, HEARTBEAT)
            if newest == version:
                self.wfile.write(b":\n\n")
                continue
            version, ended = newest, state.ended
            page = json.dumps(self._shared.page.html())
            self.wfile.write(f"event: page\ndata: {page}\n\n".encode())
            if not ended:
                self._pause()

    def _pause(self) -> None:
        """Wait for INTERVAL, but not beyond the end."""
        until = time.monotonic() + INTERVAL
        while not self._shared.state.ended and time.monotonic() < until:
            time.sleep(0.05)

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(status, "text/plain", status.phrase.encode() + b"\n")

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self._head(status, kind, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        if length is not None:
            self.send_header("Content-Length", str(length))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        for name, value in _SAFETY.items():
            self.send_header(name, value)
        policy = f"{content_policy([live_script()])}; frame-ancestors 'none'"
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: stderr shows the progress of the training."""


_SAFETY = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
