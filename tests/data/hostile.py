"""Mirrors on this machine that misbehave, each in its own way, and some that are only odd."""

from __future__ import annotations

import gzip
import hashlib
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from d2ldrop.data.idx import IdxFile

LONGEST = 60
"""Seconds after which even the most stubborn mirror hangs up, so that a test ends."""


def small_file() -> tuple[IdxFile, bytes]:
    """Images in the format of Fashion-MNIST, and the same gzipped."""
    shape = (40, 28, 28)
    pixels = np.random.default_rng(0).integers(0, 16, shape, np.uint8)
    content = struct.pack(">4I", 0x803, *shape) + pixels.tobytes()
    packed = gzip.compress(content, mtime=0)
    sha256 = hashlib.sha256(content).hexdigest()
    return IdxFile("small-images-idx3-ubyte", shape, sha256, len(packed)), packed


SMALL, GOOD = small_file()
LENGTH = f"Content-Length: {len(GOOD)}".encode()


@dataclass
class Visit:
    """One connection to a mirror."""

    connection: socket.socket
    path: bytes
    deadline: float

    def send(self, *lines: bytes, body: bytes = b"", status: bytes = b"200 OK") -> None:
        """Send a status line, headers and a body."""
        self.connection.sendall(b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", b""]) + body)

    def repeat(self, piece: bytes, pause: float = 0) -> None:
        """Send ``piece`` until the client hangs up."""
        while time.monotonic() < self.deadline:
            self.connection.sendall(piece)
            time.sleep(pause)

    def wait(self) -> None:
        """Send nothing until the client hangs up."""
        self.connection.settimeout(LONGEST)
        while self.connection.recv(4096):
            pass

    def reset(self) -> None:
        """Close the connection with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Behaviour = Callable[[Visit], object]


class Mirror:
    """A server on this machine, each of whose connections behaves alike."""

    def __init__(self, behave: Behaviour, reads_request: bool = True) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                deadline = time.monotonic() + LONGEST
                with suppress(OSError):  # the client has hung up
                    request = self.request.recv(65536) if reads_request else b""
                    path = request.partition(b" ")[2].partition(b" ")[0]
                    behave(Visit(self.request, path, deadline))

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Accept no more connections."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(frozen=True)
class Kind:
    """A kind of hostile mirror, and a pattern of the reason that the user reads."""

    behave: Behaviour
    reason: str
    scheme: str = "http"
    reads_request: bool = True

    @property
    def slow(self) -> bool:
        """Whether only patience ends it."""
        return self.reason == TIMED_OUT


TIMED_OUT = r": timed out"
ZEROS = bytes(65536)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNK = b"10000\r\n" + ZEROS + b"\r\n"
BOMB = gzip.compress(gzip.compress(bytes(10_000_000)))


def moved(location: bytes, *headers: bytes, body: bytes = b"") -> Behaviour:
    return lambda v: v.send(b"Location: " + location, *headers, body=body, status=b"302 Found")


def sent(*headers: bytes, body: bytes = b"", status: bytes = b"200 OK") -> Behaviour:
    return lambda v: v.send(*headers, body=body, status=status)


def then(first: Behaviour, second: Behaviour) -> Behaviour:
    def both(visit: Visit) -> None:
        first(visit)
        second(visit)

    return both


def raw(content: bytes) -> Behaviour:
    return lambda v: v.connection.sendall(content)


def endlessly(piece: bytes, pause: float = 0) -> Behaviour:
    return lambda v: v.repeat(piece, pause)


def drip(piece: bytes = b"x") -> Behaviour:
    return endlessly(piece, 0.05)


TOO_MUCH = r"sends more than [\d,]+ bytes"

HOSTILE: dict[str, Kind] = {
    # An answer, but not the file.
    "not found": Kind(sent(status=b"404 Not Found"), "404 Client Error: Not Found"),
    "server error": Kind(sent(status=b"503 Busy"), "503 Server Error: Busy"),
    "password wanted": Kind(
        sent(b'WWW-Authenticate: Basic realm="x"', status=b"401 No"), "401 Client Error"
    ),
    "no content": Kind(sent(status=b"204 No Content"), "status 204, expected 200"),
    "a part": Kind(sent(LENGTH, body=GOOD, status=b"206 Part"), "status 206, expected 200"),
    "status 999": Kind(sent(LENGTH, body=GOOD, status=b"999 What"), "status 999, expected 200"),
    "escape sequences": Kind(
        sent(status=b"404 \x1b]0;title\x07\x1b[31m" + b"r" * 5000), r"404 Client Error: \?]0;title"
    ),
    "a web page": Kind(sent(body=b"<html>log in first</html>"), "magic number 0x3c68746d"),
    "an empty body": Kind(sent(b"Content-Length: 0"), "truncated: 0 bytes"),
    # The file, but spoilt.
    "half of it": Kind(sent(body=GOOD[:5000]), "truncated: the gzip stream ends too early"),
    "damaged": Kind(sent(body=GOOD[:5000] + b"\xff" * 50 + GOOD[5050:]), "cannot be unpacked"),
    "wrong checksum": Kind(
        sent(body=GOOD[:-8] + bytes(8)), "cannot be unpacked .*incorrect data check"
    ),
    "other images": Kind(
        sent(body=struct.pack(">4I", 0x803, 40, 28, 28)[:16] + bytes(100)), "truncated: 116 bytes"
    ),
    "one byte more": Kind(sent(body=GOOD + b"x"), TOO_MUCH),
    "gzipped twice": Kind(sent(body=gzip.compress(GOOD[:9000])), "magic number 0x1f8b"),
    "a gzip bomb": Kind(sent(body=gzip.compress(bytes(10_000_000))), "magic|too long"),
    # The connection breaks.
    "hangs up": Kind(lambda v: v.connection.close(), "closed without an answer|connection reset"),
    "resets": Kind(Visit.reset, "connection reset"),
    "hangs up in the middle": Kind(sent(LENGTH, body=GOOD[:5000]), "IncompleteRead"),
    "resets in the middle": Kind(
        then(sent(LENGTH, body=GOOD[:5000]), Visit.reset), "connection reset"
    ),
    # Without end.
    "an endless body": Kind(then(sent(), endlessly(ZEROS)), TOO_MUCH),
    "an endless chunked body": Kind(then(sent(CHUNKED), endlessly(CHUNK)), TOO_MUCH),
    "an endless header": Kind(then(raw(b"HTTP/1.1 200 OK\r\nX: "), endlessly(b"x" * 999)), "LineT"),
    "endless headers": Kind(
        then(raw(b"HTTP/1.1 200 OK\r\n"), endlessly(b"X: " + b"x" * 999 + b"\r\n")), "100 headers"
    ),
    "endless interim answers": Kind(endlessly(b"HTTP/1.1 100 Continue\r\n\r\n" * 99), TOO_MUCH),
    "an endless chunk extension": Kind(
        then(sent(CHUNKED), then(raw(b"1;"), endlessly(ZEROS))), "chunk size|LineTooLong|more than"
    ),
    "endless trailers": Kind(
        then(
            sent(CHUNKED, body=b"%x\r\n%b\r\n0\r\n" % (len(GOOD), GOOD)),
            endlessly(b"X: x\r\n" * 99),
        ),
        TOO_MUCH,
    ),
    "an endless trailer": Kind(
        then(sent(CHUNKED, body=b"%x\r\n%b\r\n0\r\n" % (len(GOOD), GOOD)), endlessly(b"x" * 9999)),
        f"LineTooLong|{TOO_MUCH}",
    ),
    "a cookie flood": Kind(
        then(raw(b"HTTP/1.1 200 OK\r\n"), endlessly(b"Set-Cookie: a=" + b"x" * 999 + b"\r\n")),
        "100 headers",
    ),
    # Nonsense.
    "length banana": Kind(
        then(sent(b"Content-Length: banana"), endlessly(ZEROS)), f"banana|{TOO_MUCH}"
    ),
    "a negative length": Kind(
        then(sent(b"Content-Length: -5"), endlessly(ZEROS)), f"-5|{TOO_MUCH}"
    ),
    "two lengths": Kind(
        sent(b"Content-Length: 5", b"Content-Length: 6", body=b"123456"), "5, 6|truncated"
    ),
    "a length of 10^30": Kind(
        then(sent(b"Content-Length: 1" + b"0" * 30), endlessly(ZEROS)), TOO_MUCH
    ),
    "chunk size zzz": Kind(sent(CHUNKED, body=b"zzz\r\n"), "IncompleteRead|InvalidChunk"),
    "a huge chunk": Kind(then(sent(CHUNKED, body=b"f" * 16 + b"\r\n"), endlessly(ZEROS)), TOO_MUCH),
    "a negative chunk": Kind(sent(CHUNKED, body=b"-1\r\n" + ZEROS), "IncompleteRead|truncat|magic"),
    "not HTTP": Kind(raw(b"SSH-2.0-OpenSSH_9.9\r\n"), "BadStatusLine"),
    "HTTP 0.9": Kind(raw(b"<html>hello</html>"), "BadStatusLine"),
    "status abc": Kind(raw(b"HTTP/1.1 abc\r\n\r\n"), "BadStatusLine"),
    "NUL bytes": Kind(raw(bytes(5000)), "BadStatusLine"),
    "wrongly named encoding": Kind(
        sent(b"Content-Encoding: gzip", body=b"not gzipped"), "truncated|magic number"
    ),
    "a bomb as encoding": Kind(
        sent(b"Content-Encoding: gzip, gzip", body=BOMB), "magic|cannot be unpacked|too long"
    ),
    # Elsewhere.
    "moved to a bad address": Kind(moved(b"http://[::bad"), "ValueError: Invalid IPv6 URL"),
    "moved to a bad port": Kind(moved(b"http://127.0.0.1:99999999/"), "LocationParseError|[Pp]ort"),
    "moved to an empty label": Kind(moved(b"http://a..b/"), "label|Invalid|name not resolved"),
    "moved to a long label": Kind(
        moved(b"http://" + b"x" * 300 + b"/"), "label|Invalid|name not resolved"
    ),
    "moved to bad UTF-8": Kind(moved(b"/\xff\xfe"), "UnicodeDecodeError|redirects"),
    "moved to a file": Kind(moved(b"file:///etc/passwd"), "No connection adapters"),
    "moved nowhere": Kind(moved(b"http://"), "Exceeded 5 redirects|No host|Invalid URL"),
    "moved in a circle": Kind(moved(b"/again"), "Exceeded 5 redirects"),
    "moved for ever": Kind(lambda v: moved(v.path + b"x")(v), "Exceeded 5 redirects"),
    "moved, with an endless body": Kind(
        then(moved(b"/again"), endlessly(ZEROS)), "Exceeded 5 redirects"
    ),
    "moved, with an endless chunked body": Kind(
        then(moved(b"/again", CHUNKED), endlessly(CHUNK)), "Exceeded 5 redirects"
    ),
    "moved, with a bomb": Kind(
        moved(b"/again", b"Content-Encoding: gzip", body=BOMB), "Exceeded 5 redirects"
    ),
    "no TLS": Kind(raw(b"HTTP/1.1 400 Speak HTTP\r\n\r\n"), "TLS failed: ", scheme="https"),
    # Slow.
    "silent": Kind(Visit.wait, TIMED_OUT),
    "silent in TLS": Kind(Visit.wait, TIMED_OUT, scheme="https", reads_request=False),
    "drips a status": Kind(then(raw(b"HTTP/1.1 200 "), drip()), TIMED_OUT),
    "drips headers": Kind(then(raw(b"HTTP/1.1 200 OK\r\n"), drip(b"X: x\r\n")), TIMED_OUT),
    "drips interim answers": Kind(drip(b"HTTP/1.1 100 Continue\r\n\r\n"), TIMED_OUT),
    "drips a body": Kind(then(sent(LENGTH), drip()), TIMED_OUT),
    "drips a chunked body": Kind(then(sent(CHUNKED), drip(b"1\r\nx\r\n")), TIMED_OUT),
    "drips a chunk size": Kind(then(sent(CHUNKED), drip(b"0")), TIMED_OUT),
    "drips trailers": Kind(
        then(sent(CHUNKED, body=b"%x\r\n%b\r\n0\r\n" % (len(GOOD), GOOD)), drip(b"X: x\r\n")),
        TIMED_OUT,
    ),
    "stops before the last byte": Kind(then(sent(LENGTH, body=GOOD[:-1]), Visit.wait), TIMED_OUT),
    "drips the second half": Kind(then(sent(LENGTH, body=GOOD[:9000]), drip()), TIMED_OUT),
    "redirects, slowly": Kind(then(lambda _: time.sleep(0.3), moved(b"/again")), TIMED_OUT),
}


def in_pieces(visit: Visit) -> None:
    """Send the file slowly, but fast enough."""
    visit.send(LENGTH)
    for start in range(0, len(GOOD), 4000):
        visit.connection.sendall(GOOD[start : start + 4000])
        time.sleep(0.05)


def after_moves(visit: Visit) -> None:
    """Send the file after three redirects."""
    if visit.path == b"/3":
        visit.send(LENGTH, body=GOOD)
    else:
        moves = int(visit.path[1:]) if visit.path[1:].isdigit() else 0
        moved(b"/%d" % (moves + 1), b"Content-Length: 0")(visit)


ODD: dict[str, Behaviour] = {
    "with its length": sent(LENGTH, body=GOOD),
    "without its length": sent(body=GOOD),
    "chunked": sent(CHUNKED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)),
    "named an encoding": sent(b"Content-Encoding: gzip", LENGTH, body=GOOD),
    "length banana": sent(b"Content-Length: banana", body=GOOD),
    "after an interim answer": then(raw(b"HTTP/1.1 100 Continue\r\n\r\n"), sent(LENGTH, body=GOOD)),
    "in pieces": in_pieces,
    "moved": after_moves,
}
"""Good mirrors, however odd."""
