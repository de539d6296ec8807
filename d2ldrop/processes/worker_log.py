"""The log of a worker: what its framework prints, up to a fixed size.

The log keeps the beginning and the end. A framework that prints without end fills neither the disk
nor the memory.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType

BEGINNING = 9_000_000
"""Bytes of the beginning that are kept."""
END = 1_000_000
"""Bytes of the end that are kept."""


class WorkerLog:
    """A log file. An old one is replaced, and never followed if it is a link.

    Attributes:
        path: the file.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._file = path.open("xb", buffering=0)  # "x" opens neither a link nor a pipe
        self._seen = self._written = 0
        self._recent = bytearray()

    def write(self, chunk: bytes) -> None:
        """Take in what the worker has printed. A full disk is no error: the end is kept."""
        self._seen += len(chunk)
        self._recent += chunk
        if len(self._recent) > 2 * END:  # not for every chunk: this moves the rest
            del self._recent[:-END]
        if self._seen - len(chunk) == self._written:  # nothing is left out so far
            with contextlib.suppress(OSError):
                self._written += self._file.write(chunk[: BEGINNING - self._written])

    def last_line(self) -> str:
        """The last line that is not empty, without control characters; "" if there is none."""
        lines = self._recent[-64_000:].decode(errors="replace").split("\n")
        texts = (plain(line.rstrip("\r").rpartition("\r")[2]) for line in reversed(lines))
        return next(filter(None, texts), "")

    def close(self) -> None:
        """Write the end, and close the file."""
        unwritten = self._seen - self._written
        left_out = max(0, unwritten - END)
        with contextlib.suppress(OSError), self._file:  # a full disk
            if left_out:
                self._file.write(f"\n[... {left_out:,} bytes left out ...]\n".encode())
            if unwritten:
                self._file.write(self._recent[-min(END, unwritten) :])

    def __enter__(self) -> WorkerLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()


def plain(text: str, limit: int = 200) -> str:
    """``text`` on one line: at most ``limit`` characters, and no control characters.

    >>> plain("a  line\\nand \\x1b[31mred")
    'a line and [31mred'
    """
    printable = "".join(one if one.isprintable() else " " for one in text[: 10 * limit])
    words = " ".join(printable.split())
    return words if len(words) <= limit else f"{words[: limit - 3]}..."
