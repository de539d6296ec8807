"""Unpacking and verifying one array of bytes."""

from __future__ import annotations

import gzip
import io

import hypothesis.strategies as st
import pytest
from hypothesis import given

from d2ldrop.data import DataError, idx
from d2ldrop.data.idx import read_idx
from tests.data.hostile import GOOD, SMALL


def test_a_file_may_be_gzipped_again() -> None:
    """At any level, in several streams, padded with zeros."""
    content = gzip.decompress(GOOD)
    for packed in (
        content,
        gzip.compress(content, 1),
        gzip.compress(content[:999]) + gzip.compress(b"") + gzip.compress(content[999:]),
        GOOD + bytes(3000),
    ):
        assert read_idx(io.BytesIO(packed), SMALL).shape == SMALL.shape


def test_the_arrays_cannot_be_changed() -> None:
    for packed in (GOOD, gzip.decompress(GOOD)):
        assert not read_idx(io.BytesIO(packed), SMALL).flags.writeable


@given(
    st.lists(st.tuples(st.binary(max_size=9), st.integers(0, 500)), min_size=1, max_size=4),
    st.integers(1, 300),
    st.integers(0, 5000),
)
def test_unpacking_is_that_of_gzip_up_to_a_size(
    streams: list[tuple[bytes, int]], chunk: int, size: int
) -> None:
    content = b"".join(piece * times for piece, times in streams)
    packed = b"".join(gzip.compress(piece * times) for piece, times in streams)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idx, "CHUNK", chunk)
        assert idx._unpacked(packed, size) == content[: size + 1]
        assert idx._unpacked(packed, len(content)) == gzip.decompress(packed)
        with pytest.raises(DataError, match="truncated"):
            idx._unpacked(packed[:-1], len(content))


@given(st.binary(max_size=2000), st.integers(0, len(GOOD)), st.booleans())
def test_any_other_bytes_are_refused(junk: bytes, start: int, insert: bool) -> None:
    spoilt = GOOD[:start] + junk + GOOD[start if insert else start + len(junk) :]
    try:
        array = read_idx(io.BytesIO(spoilt), SMALL)
    except DataError:
        return
    expected = gzip.decompress(GOOD)[SMALL.header_size :]
    assert array.tobytes() == expected  # the junk changes nothing: it is empty, or in the header
