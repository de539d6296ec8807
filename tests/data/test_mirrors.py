"""Downloads from hostile mirrors: each fails with its reason, and the next mirror is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from d2ldrop.data import DataNotFoundError, download
from d2ldrop.data.mirror import MirrorError, Patience, fetch
from d2ldrop.data.places import cache_dir
from tests.data.hostile import GOOD, HOSTILE, ODD, SMALL, Behaviour, Kind, Mirror, Visit

PATIENT = Patience(connect=60, seconds=60)
IMPATIENT = Patience(connect=0.5, seconds=0.5)
NAME = f"{SMALL.name}.gz"
Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a mirror and return its address; all are closed after the test."""
    mirrors = []

    def start(behave: Behaviour, scheme: str = "http", reads_request: bool = True) -> str:
        mirrors.append(Mirror(behave, reads_request))
        return f"{scheme}://{mirrors[-1].address}/"

    yield start
    for mirror in mirrors:
        mirror.close()


@pytest.fixture
def impatient_with(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses of slow mirrors. The data set is one small file, and others may take their time."""
    slow: list[str] = []

    def fetch_patiently(
        url: str, largest: int, patience: Patience, on_bytes: Callable[[int], None]
    ) -> bytes:
        given = patience if url.removesuffix(NAME) in slow else PATIENT
        return fetch(url, largest, given, on_bytes)

    monkeypatch.setattr("d2ldrop.data.download.FILES", (SMALL,))
    monkeypatch.setattr("d2ldrop.data.download.fetch", fetch_patiently)
    return slow


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_mirror_gives_its_reason_and_leads_to_the_next(
    serve: Serve, impatient_with: list[str], kind: str
) -> None:
    behaviour: Kind = HOSTILE[kind]
    hostile = serve(behaviour.behave, behaviour.scheme, behaviour.reads_request)
    if behaviour.slow:
        impatient_with.append(hostile)
    with pytest.raises(DataNotFoundError, match=behaviour.reason) as caught:
        download.download([hostile], patience=IMPATIENT)
    assert str(caught.value).startswith(f"{SMALL.name} could not be downloaded: {hostile}: ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
    assert list(cache_dir().iterdir()) == []
    download.download([hostile, serve(ODD["with its length"])], patience=IMPATIENT)
    assert [path.name for path in cache_dir().iterdir()] == [NAME]
    assert (cache_dir() / NAME).read_bytes() == GOOD


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_mirror_is_good_enough(serve: Serve, kind: str) -> None:
    assert fetch(f"{serve(ODD[kind])}{NAME}", len(GOOD), PATIENT) == GOOD


def test_a_mirror_that_fails_is_asked_last_for_the_next_file(
    serve: Serve, impatient_with: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def hostile(visit: Visit) -> None:
        asked.append(visit.path.decode())
        visit.wait()

    second = replace(SMALL, name="second-images-idx3-ubyte")
    monkeypatch.setattr("d2ldrop.data.download.FILES", (SMALL, second))
    impatient_with.append(serve(hostile))
    download.download([*impatient_with, serve(ODD["chunked"])], patience=IMPATIENT)
    assert len(list(cache_dir().iterdir())) == 2
    assert asked == [f"/{NAME}"]  # once, although a quick failure is asked twice


def test_a_proxy_is_bounded_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme, behave, reason in (
        ("http", HOSTILE["an endless body"].behave, "sends more than"),
        ("http", HOSTILE["drips headers"].behave, "timed out"),
        ("https", HOSTILE["drips headers"].behave, "timed out"),  # the answer to CONNECT
        ("https", HOSTILE["endless interim answers"].behave, "Tunnel connection failed"),
    ):
        monkeypatch.setenv(f"{scheme}_proxy", serve(behave))
        patience = IMPATIENT if reason == "timed out" else PATIENT
        with pytest.raises(MirrorError, match=reason):
            fetch(f"{scheme}://mirror.invalid/{NAME}", len(GOOD), patience)
