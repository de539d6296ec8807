"""Standard output and standard error. Both may fail, and the run goes on.

A closed pipe (``d2ldrop compare | head -1``), a full disk and a closed descriptor silence one
stream: what is written to it later is discarded. ``settle`` then chooses the exit status.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from d2ldrop.comparison.layout import FittedTable, console

CLOSED_PIPE = 128 + 13
"""The exit status of a Unix tool whose reader has gone: a shell's 128 plus SIGPIPE."""


class Stream(io.RawIOBase):
    """The lowest layer of a standard stream; after its first error it discards everything.

    Attributes:
        error: the first error; None if all output was written.
    """

    def __init__(self, inner: Any | None) -> None:
        """Write to ``inner``, a raw stream; None means that the descriptor is closed."""
        super().__init__()
        self._inner = inner
        self.error: OSError | None = None

    def writable(self) -> bool:
        """Return True: this is an output stream."""
        return True

    def isatty(self) -> bool:
        """Whether this is a terminal."""
        return self._inner is not None and bool(self._inner.isatty())

    def fileno(self) -> int:
        """The descriptor; io.UnsupportedOperation if it is closed."""
        return super().fileno() if self._inner is None else int(self._inner.fileno())

    def write(self, data: Any) -> int:
        """Write all bytes of ``data``, or discard them; this raises no OSError."""
        view = memoryview(data).cast("B")
        if self.error is None:
            try:
                self._write_all(view)
            except OSError as error:
                self.error = error
        return len(view)

    def _write_all(self, view: memoryview) -> None:
        if self._inner is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        while view:
            written = self._inner.write(view)
            if written is None:  # a non-blocking pipe is full
                select.select([], [self._inner], [])
            else:
                view = view[written:]


class Output:
    """The owner of stdout and stderr.

    Attributes:
        results: the folder of the results, once the files are written; ``settle`` names it.
    """

    def __init__(self) -> None:
        self.results: Path | None = None
        self._streams: dict[str, Stream] = {}

    def protect(self) -> None:
        """Make ``sys.stdout`` and ``sys.stderr`` safe to write to."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None or isinstance(stream, io.TextIOWrapper):
                self._streams[name], safe = _safe(stream)
                setattr(sys, name, safe)
        _occupy_closed_descriptors()

    def settle(self, status: int) -> int:
        """Write what is buffered; return the exit status, given that of the command.

        If stdout is a pipe without a reader, nothing is lost that anyone wants: the status is
        CLOSED_PIPE. If it fails in another way, the status is 1, and stderr says so. A failure of
        stderr alone changes nothing.
        """
        sys.stdout.flush()
        error = self._streams["stdout"].error if "stdout" in self._streams else None
        if error is not None and error.errno == errno.EPIPE:
            status = status or CLOSED_PIPE
        elif error is not None:
            status = status or 1
            where = "" if self.results is None else f" The results are in {self.results}"
            print(f"Error: stdout failed: {error.strerror}.{where}", file=sys.stderr)
        sys.stderr.flush()
        return status


OUTPUT = Output()
"""The streams of this process."""


def show(table: FittedTable, lines: Iterable[str], last: str = "") -> None:
    """Print a table and the lines below it. ``last`` names files and is not wrapped."""
    terminal = console()
    terminal.print(table)
    for line in lines:
        terminal.print(line, markup=False, highlight=False)
    if last:
        terminal.print(last, markup=False, highlight=False, soft_wrap=True)


def _safe(stream: io.TextIOWrapper | None) -> tuple[Stream, io.TextIOWrapper]:
    """The lowest layer and a text stream that replaces ``stream``."""
    if stream is None:
        raw = Stream(None)
        return raw, io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="replace")
    raw = Stream(getattr(stream.buffer, "raw", stream.buffer))
    unbuffered = stream.write_through  # python -u
    return raw, io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),  # type: ignore[arg-type]  # as Python does
        encoding=stream.encoding,
        errors="replace",  # print a table even if its lines cannot be encoded
        line_buffering=stream.line_buffering,
        write_through=unbuffered,
    )


def _occupy_closed_descriptors() -> None:
    """Open the null device in place of closed descriptors: no other file may get their numbers."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
