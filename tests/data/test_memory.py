"""The memory for a hostile file is bounded by the size of the honest one."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from d2ldrop.data.fashion_mnist import FILES
from d2ldrop.data.places import DEBIAN
from tests.data.conftest import has_debian
from tests.data.hostile import CHUNKED, ZEROS, Mirror, endlessly, sent, then

IMAGES = FILES[0]  # 47 MB
PEAK = """
import sys
from pathlib import Path

import numpy, requests, d2ldrop.data.download, d2ldrop.data.mirror
from d2ldrop.data import DataError
from d2ldrop.data.fashion_mnist import FILES, read_file
from d2ldrop.data.mirror import fetch

def peak():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024

before = peak()
try:
    {statement}
    print("good")
except DataError as error:
    print(error)
print(peak() - before)
"""
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak is read from /proc"
)


def message_and_peak(statement: str, argument: str) -> tuple[str, int]:
    """What a new process says about a file or an address, and the bytes it takes for that."""
    out = subprocess.run(
        [sys.executable, "-c", PEAK.format(statement=statement), argument],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert out.returncode == 0, out.stderr
    *message, taken = out.stdout.splitlines()
    assert len(message) == 1
    return message[0], int(taken)


def bomb(path: Path) -> None:
    """A gzip file of 3 MB that holds 3 GB."""
    member = gzip.compress(bytes(10_000_000))
    path.write_bytes(IMAGES_HEADER + member * 320)


def one_bomb(path: Path) -> None:
    """The same in one stream, with 400 MB."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(HEADER)
        for _ in range(40):
            file.write(bytes(10_000_000))


def sparse(path: Path) -> None:
    """100 GB of zeros that take no space."""
    path.touch()
    os.truncate(path, 100 * 10**9)


def sparse_with_header(path: Path) -> None:
    """100 GB that begin well."""
    path.write_bytes(HEADER)
    os.truncate(path, 100 * 10**9)


def padded(path: Path) -> None:
    """A good gzip stream, then 100 GB of zeros."""
    path.write_bytes(IMAGES_HEADER)
    os.truncate(path, 100 * 10**9)


def empty_streams(path: Path) -> None:
    """2 million empty gzip streams."""
    path.write_bytes(gzip.compress(b"", mtime=0) * (IMAGES.size // 20 - 1))


HEADER = b"".join(n.to_bytes(4, "big") for n in (0x803, *IMAGES.shape))
IMAGES_HEADER = gzip.compress(HEADER)
FILES_OF_DEATH: dict[str, tuple[Callable[[Path], None], str]] = {
    "bomb": (bomb, "too long: more than 47040016 bytes unpacked"),
    "one bomb": (one_bomb, "too long: more than 47040016 bytes unpacked"),
    "sparse": (sparse, "magic number 0x00000000"),
    "sparse with a header": (sparse_with_header, "too long"),
    "padded": (padded, "too long: more than 47040016 bytes gzipped"),
    "empty streams": (empty_streams, "damaged: more than 10000 gzip streams"),
}


@pytest.mark.parametrize("case", FILES_OF_DEATH)
def test_a_hostile_file(tmp_path: Path, case: str) -> None:
    make, reason = FILES_OF_DEATH[case]
    path = tmp_path / f"{IMAGES.name}.gz"
    make(path)
    message, taken = message_and_peak("read_file(Path(sys.argv[1]), FILES[0])", str(path))
    assert f"{path}: {reason}" in message
    assert taken < 3 * IMAGES.size


@has_debian
def test_an_honest_file() -> None:
    path = DEBIAN / f"{IMAGES.name}.gz"
    message, taken = message_and_peak("read_file(Path(sys.argv[1]), FILES[0])", str(path))
    assert message == "good"
    assert IMAGES.size < taken < 3 * IMAGES.size


@pytest.fixture(params=["endless", "chunked", "honest in size"])
def mirror(request: pytest.FixtureRequest) -> Iterator[Mirror]:
    behave = {
        "endless": then(sent(), endlessly(ZEROS)),
        "chunked": then(sent(CHUNKED), endlessly(b"10000\r\n" + ZEROS + b"\r\n")),
        "honest in size": sent(body=bytes(IMAGES.packed_size)),
    }[request.param]
    mirror = Mirror(behave)
    yield mirror
    mirror.close()


def test_a_hostile_mirror(mirror: Mirror) -> None:
    statement = "fetch(sys.argv[1], FILES[0].packed_size)"
    message, taken = message_and_peak(statement, f"http://{mirror.address}/x")
    assert message in ("good", "sends more than 26,421,880 bytes")
    assert taken < 3 * IMAGES.packed_size
