"""Fetch one file from one mirror, which may be slow, broken or hostile.

Bytes and seconds are counted where they arrive, at the socket. So the bounds also hold for headers,
redirects, answers of a proxy and the end of a chunked body.
"""

from __future__ import annotations

import functools
import http.client
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d2ldrop.data.idx import DataError
from d2ldrop.data.reasons import reason

if TYPE_CHECKING:
    import requests
    from requests.adapters import HTTPAdapter

CHUNK = 1 << 16
HEADERS = 1 << 18
"""Bytes that all headers of a mirror may have together."""
REDIRECTS = 5


class MirrorError(DataError):
    """A mirror did not send the file; the message is the reason."""


@dataclass(frozen=True)
class Patience:
    """How slow a mirror may be.

    Attributes:
        connect: seconds until it is connected, and again until TLS is agreed.
        seconds: how long it may lag behind ``rate``; it may also be silent for as long.
        rate: bytes per second. So n bytes take at most ``seconds`` + n / ``rate`` seconds.
    """

    connect: float = 5
    seconds: float = 15
    rate: float = 50_000


PATIENCE = Patience()


def fetch(
    url: str,
    largest: int,
    patience: Patience = PATIENCE,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> bytes:
    """The bytes at ``url``, as they are sent: nothing is unpacked.

    At most ``largest`` + 1 bytes are kept. ``on_bytes`` is called with the number of bytes so far.

    Raises:
        MirrorError: for every failure, whatever its cause.
    """
    import requests

    meter = _Meter(largest + HEADERS, patience)
    try:
        with requests.Session() as session:
            session.max_redirects = REDIRECTS
            for scheme in ("http://", "https://"):
                session.mount(scheme, _metered_adapter(meter))
            response = session.get(
                url,
                stream=True,
                timeout=(patience.connect, patience.seconds),
                headers={"Accept-Encoding": "identity"},
                hooks={"response": _drop_body_of_redirect},
            )
            with response:
                return _body(response, largest, on_bytes)
    except MirrorError:
        raise
    except Exception as error:  # whatever it is, the next mirror may be good
        raise MirrorError(reason(error, url)) from error


def _body(response: requests.Response, largest: int, on_bytes: Callable[[int], None]) -> bytes:
    response.raise_for_status()
    if response.status_code != 200:
        raise MirrorError(f"status {response.status_code}, expected 200")
    body = io.BytesIO()
    while chunk := response.raw.read(min(CHUNK, largest + 1 - body.tell()), decode_content=False):
        body.write(chunk)
        on_bytes(body.tell())
        if body.tell() > largest:
            raise MirrorError(f"sends more than {largest:,} bytes")
    return body.getvalue()


class _Meter:
    """Counts what a mirror sends and how long that takes.

    A mirror has ``patience.seconds``. Waiting uses them up, and bytes earn them back.
    """

    def __init__(self, largest: int, patience: Patience) -> None:
        self._bytes, self._largest = 0, largest
        self._patience, self._seconds = patience, patience.seconds
        self._checked = time.monotonic()

    def seconds(self) -> float:
        """The seconds that are left.

        Raises:
            MirrorError: none are left.
        """
        now = time.monotonic()
        self._seconds -= now - self._checked
        self._checked = now
        if self._seconds <= 0:
            raise self.too_slow()
        return self._seconds

    def count(self, received: int) -> None:
        """Add the bytes of one read.

        Raises:
            MirrorError: the mirror has sent too many.
        """
        self._bytes += received
        if self._bytes > self._largest:
            raise MirrorError(f"sends more than {self._largest:,} bytes, headers included")
        self._seconds = min(self._patience.seconds, self._seconds + received / self._patience.rate)

    def too_slow(self) -> MirrorError:
        """The error of a mirror that has used up its seconds."""
        if not self._bytes:
            return MirrorError(f"timed out: no answer for {self._patience.seconds:g} s")
        return MirrorError(
            f"timed out: {self._bytes:,} bytes arrived, slower than "
            f"{self._patience.rate:,.0f} bytes per second for {self._patience.seconds:g} s"
        )


class _MeteredSocket(io.RawIOBase):
    """Reads from a socket; a meter counts."""

    def __init__(self, raw: io.RawIOBase, sock: Any, meter: _Meter) -> None:
        self._raw, self._sock, self._meter = raw, sock, meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read once."""
        self._sock.settimeout(self._meter.seconds())
        try:
            received: int = self._raw.readinto(buffer)
        except TimeoutError:
            raise self._meter.too_slow() from None
        self._meter.count(received)
        return received

    def close(self) -> None:
        """Close the socket's file, too."""
        self._raw.close()
        super().close()


class _MeteredResponse(http.client.HTTPResponse):
    """The standard library's reader of an answer, on a metered socket."""

    def __init__(self, sock: Any, *arguments: Any, meter: _Meter, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_MeteredSocket(self.fp.detach(), sock, meter))


def _metered_adapter(meter: _Meter) -> HTTPAdapter:
    """An adapter of requests whose connections are metered, with or without a proxy."""
    from requests.adapters import HTTPAdapter

    class MeteredAdapter(HTTPAdapter):
        def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
            pool = super().get_connection_with_tls_context(*arguments, **options)
            response_class = staticmethod(functools.partial(_MeteredResponse, meter=meter))
            metered: Any = type(
                "Metered", (pool.ConnectionCls,), {"response_class": response_class}
            )
            pool.ConnectionCls = metered
            return pool

    return MeteredAdapter()


def _drop_body_of_redirect(response: requests.Response, **_: Any) -> None:
    """Close a redirect, because requests would read and unpack its whole body."""
    if response.is_redirect:
        response.close()
