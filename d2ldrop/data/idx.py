"""Read and verify an IDX file: one array of bytes, gzipped or not.

Only the unpacked content is verified. Its size is known, so hostile content of any size takes
little memory.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

CHUNK = 1 << 18
"""Bytes that are unpacked at a time."""
GZIP = 31  # zlib's wbits
STREAMS = 10_000
"""The most gzip streams in one file. Programs that compress in parallel write one per block."""


class DataError(Exception):
    """The data cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class IdxFile:
    """One of the four files.

    Attributes:
        name: its name, without ".gz".
        shape: the shape of the array in it.
        sha256: the SHA-256 of its unpacked content.
        packed_size: the bytes of the gzipped file as it was published. Copies that were gzipped
            again have other sizes.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str
    packed_size: int

    @property
    def header_size(self) -> int:
        """The bytes before the array: the magic number and the dimensions."""
        return 4 + 4 * len(self.shape)

    @property
    def size(self) -> int:
        """The bytes of the unpacked content."""
        return self.header_size + math.prod(self.shape)


def read_idx(stream: BinaryIO, file: IdxFile) -> npt.NDArray[np.uint8]:
    """The array in IDX content: a magic number, the dimensions, then the bytes, all big-endian.

    The content may be gzipped. At most ``file.size`` + 1 bytes are read, and at most as many are
    unpacked.

    Raises:
        DataError: the content differs from the description in ``file``. The message says how, but
            not where the content comes from.
        OSError: ``stream`` cannot be read.
    """
    content = _content(stream, file.size)
    header, ndim = file.header_size, len(file.shape)
    if len(content) < header:
        raise DataError(f"truncated: {len(content)} bytes, an IDX header has {header}")
    magic, *dims = np.frombuffer(content[:header], ">u4").tolist()
    if magic != 0x800 + ndim:
        raise DataError(f"magic number {magic:#010x}, expected {0x800 + ndim:#010x}")
    if tuple(dims) != file.shape:
        raise DataError(f"holds {_times(dims)} values, expected {_times(file.shape)}")
    if len(content) < file.size:
        raise DataError(f"truncated: {len(content)} bytes unpacked, expected {file.size}")
    if len(content) > file.size:
        raise DataError(f"too long: more than {file.size} bytes unpacked")
    array = np.frombuffer(content, np.uint8, offset=header).reshape(file.shape)
    array.flags.writeable = False
    if ndim == 1 and array.max() > 9:
        raise DataError(f"label {array.max()}, expected 0 to 9")
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise DataError(f"corrupt: SHA-256 of the content is {digest}, expected {file.sha256}")
    return array


def _content(stream: BinaryIO, size: int) -> bytes | bytearray:
    """The unpacked content, or its first ``size`` + 1 bytes."""
    packed = stream.read(size + 1)
    if packed[:2] != b"\x1f\x8b":
        return packed
    if len(packed) > size:
        raise DataError(f"too long: more than {size} bytes gzipped, expected {size} unpacked")
    try:
        return _unpacked(packed, size)
    except zlib.error as error:
        raise DataError(f"cannot be unpacked ({error})") from error


def _unpacked(packed: bytes, size: int) -> bytearray:
    """Like ``_content``, of gzipped bytes.

    The module gzip would do the same, but takes 20 seconds for 46 MB of zeros after the content.
    """
    content = bytearray()
    stream, streams = zlib.decompressobj(GZIP), 1
    for start in range(0, len(packed), CHUNK):
        piece = packed[start : start + CHUNK]
        while piece and len(content) <= size:
            if stream.eof:  # zeros, or another stream, may follow
                piece = piece.lstrip(b"\0")
                if not piece:
                    break
                stream, streams = zlib.decompressobj(GZIP), streams + 1
                if streams > STREAMS:
                    raise DataError(f"damaged: more than {STREAMS} gzip streams")
            content += stream.decompress(piece, min(CHUNK, size + 1 - len(content)))
            piece = stream.unused_data if stream.eof else stream.unconsumed_tail
    if len(content) <= size and not stream.eof:
        raise DataError("truncated: the gzip stream ends too early")
    return content


def _times(dims: Sequence[int]) -> str:
    return " × ".join(str(n) for n in dims)
