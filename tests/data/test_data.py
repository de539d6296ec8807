"""Finding, checking and fetching Fashion-MNIST, with real files and real (local) servers."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from d2ldrop import Recipe, data, train
from d2ldrop.data.fashion_mnist import (
    DEBIAN,
    FILES,
    DataError,
    DataNotFoundError,
    StandInWarning,
    load_data,
)
from d2ldrop.data.stand_in import stand_in

has_debian = pytest.mark.skipif(
    not DEBIAN.exists(), reason="Debian's package dataset-fashion-mnist is not installed"
)
Serve = Callable[..., str]
NOBODY = "http://127.0.0.1:9/"  # the discard port: the connection is refused at once


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A folder of one's own with the real files."""
    folder = tmp_path / "real"
    folder.mkdir()
    for file in FILES:
        name = f"{file.name}.gz"
        (folder / name).write_bytes((DEBIAN / name).read_bytes())
    return folder


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the data and without a network."""
    monkeypatch.setattr(data, "DEBIAN", tmp_path / "no-such-folder")
    monkeypatch.setattr(data, "MIRRORS", (NOBODY,))


@has_debian
def test_debians_files_are_found_and_verified() -> None:
    found = load_data("fashion-mnist")
    assert [a.shape for a in found.arrays] == [
        (60_000, 28, 28),
        (60_000,),
        (10_000, 28, 28),
        (10_000,),
    ]
    assert all(a.dtype == np.uint8 for a in found.arrays)
    assert np.bincount(found.train_labels).tolist() == [6000] * 10
    assert found.name == "fashion-mnist"
    content = b"".join(a.tobytes() for a in found.arrays)
    assert found.sha256 == hashlib.sha256(content).hexdigest()


@has_debian
def test_auto_takes_the_real_data_where_it_is() -> None:
    assert load_data().name == "fashion-mnist"


@has_debian
def test_sizes_keep_the_first_images() -> None:
    small, whole = load_data(train_size=100, test_size=7), load_data()
    np.testing.assert_array_equal(small.train_images, whole.train_images[:100])
    np.testing.assert_array_equal(small.test_labels, whole.test_labels[:7])
    assert small.sha256 != whole.sha256


@has_debian
def test_unpacked_files_are_as_good(real: Path) -> None:
    for file in FILES:
        packed = real / f"{file.name}.gz"
        (real / file.name).write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    assert len(load_data("fashion-mnist", data_dir=real).train_images) == 60_000


@has_debian
def test_the_variable_names_the_folder(
    real: Path, nowhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D2LDROP_DATA_DIR", str(real))
    assert load_data().name == "fashion-mnist"


@pytest.mark.parametrize("dataset", ["auto", "fashion-mnist"])
def test_a_folder_without_the_files_is_an_error_even_for_auto(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(DataError, match=r"lacks train-images-idx3-ubyte, .*name the folder"):
        load_data(dataset, data_dir=tmp_path)


def idx(shape: tuple[int, ...], content: bytes, magic: int | None = None) -> bytes:
    header = 0x800 + len(shape) if magic is None else magic
    return struct.pack(f">{1 + len(shape)}I", header, *shape) + content


LABELS = "train-labels-idx1-ubyte.gz"
WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "gzip cut short": (lambda whole: whole[:-1000], "truncated: the gzip stream ends too early"),
    "gzip damaged": (
        lambda whole: whole[:5000] + b"\0" * 50 + whole[5050:],
        "cannot be read or unpacked",
    ),
    "empty": (lambda _: b"", "truncated: 0 bytes, an IDX header has 8"),
    "images instead": (
        lambda _: idx((60_000,), bytes(60_000), magic=0x803),
        "magic number 0x00000803, expected 0x00000801",
    ),
    "a web page": (lambda _: b"<html>moved</html>", "magic number 0x3c68746d"),
    "fewer": (lambda _: idx((59_999,), bytes(59_999)), "holds 59999 values, expected 60000"),
    "content cut short": (
        lambda _: idx((60_000,), bytes(59_000)),
        "truncated: 59008 bytes unpacked, expected 60008",
    ),
    "too long": (lambda _: idx((60_000,), bytes(60_001)), "too long"),
    "label 10": (lambda _: idx((60_000,), bytes(59_999) + b"\x0a"), "label 10, expected 0 to 9"),
    "other labels": (lambda _: idx((60_000,), bytes(60_000)), "corrupt: SHA-256 of the content"),
}


@has_debian
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_named_and_left_alone(real: Path, case: str) -> None:
    spoil, message = WRONG[case]
    path = real / LABELS
    path.write_bytes(spoil(path.read_bytes()))
    spoilt = path.read_bytes()
    for dataset in ("auto", "fashion-mnist"):  # a broken file is never a reason for the stand-in
        with pytest.raises(DataError, match=f"{LABELS}: {message}"):
            load_data(dataset, data_dir=real)
    assert path.read_bytes() == spoilt


@has_debian
def test_a_wrong_file_in_the_cache_is_an_error_too(nowhere: None, real: Path) -> None:
    data.cache_dir().parent.mkdir(parents=True)
    real.rename(data.cache_dir())
    path = data.cache_dir() / LABELS
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="d2ldrop data --download"):
        load_data("auto")


def test_without_data_auto_is_the_stand_in_and_says_so(nowhere: None) -> None:
    with pytest.warns(StandInWarning, match="NOT the real Fashion-MNIST"):
        found = load_data("auto", train_size=50, test_size=20)
    assert found.name == "stand-in"
    assert len(found.train_images) == 50


def test_without_data_fashion_mnist_is_an_error(nowhere: None) -> None:
    with pytest.raises(DataNotFoundError, match=r"could not be downloaded: http://127\.0\.0\.1:9/"):
        load_data("fashion-mnist")


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(
    nowhere: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(StandInWarning, match="cannot be written"):
        assert load_data("auto", train_size=5, test_size=5).name == "stand-in"


def test_an_unknown_dataset_or_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dataset must be one of auto, .* got 'mnist'"):
        load_data("mnist")
    with pytest.raises(ValueError, match="train_size must be an integer from 1 to 60000, got 0"):
        load_data("stand-in", train_size=0)
    with pytest.raises(ValueError, match="test_size must be an integer from 1 to 10000, got 10001"):
        load_data("stand-in", test_size=10_001)
    with pytest.raises(TypeError, match="train_size must be an integer"):
        load_data("stand-in", train_size=2.5)  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(ValueError, match="'stand-in' reads no file"):
        load_data("stand-in", data_dir=".")


# Downloads


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Truncating(Quiet):
    """A server that promises the whole file and hangs up in the middle."""

    def copyfile(self, source: object, outputfile: object) -> None:
        outputfile.write(source.read(3000))  # type: ignore[attr-defined]  # file objects


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(folder: Path, handler: type[Quiet] = Quiet) -> str:
        bound = functools.partial(handler, directory=str(folder))
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), bound)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@has_debian
def test_a_download_tries_the_next_mirror_until_one_is_good(
    serve: Serve, real: Path, tmp_path: Path
) -> None:
    empty, spoilt = tmp_path / "empty", tmp_path / "spoilt"
    empty.mkdir()
    spoilt.mkdir()
    for file in FILES:
        (spoilt / f"{file.name}.gz").write_bytes(b"<html>log in to this network first</html>")
    mirrors = [NOBODY, serve(empty), serve(spoilt), serve(real, Truncating), serve(real)]
    folder = data.download(mirrors)
    assert folder == data.cache_dir()
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{f.name}.gz" for f in FILES)
    assert data.find_fashion_mnist() == folder
    assert len(data.read_fashion_mnist(folder)[0]) == 60_000


@has_debian
def test_a_download_fetches_only_what_is_missing(serve: Serve, real: Path) -> None:
    data.download([serve(real)])
    (data.cache_dir() / LABELS).unlink()
    for file in FILES:
        if not LABELS.startswith(file.name):
            (real / f"{file.name}.gz").unlink()
    data.download([serve(real)])
    assert (data.cache_dir() / LABELS).exists()


def test_a_failed_download_leaves_nothing_and_says_what_each_mirror_answered(
    serve: Serve, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataNotFoundError, match=r"no connection; .*404 Client Error") as caught:
        data.download([NOBODY, serve(empty)])
    assert str(caught.value).count("127.0.0.1:9/:") == 1  # each answer once, although asked twice
    assert list(data.cache_dir().iterdir()) == []


def test_pixels_are_divided_in_the_runs_own_dtype() -> None:
    images = np.arange(256, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    for dtype in ("float32", "float64"):
        X = data.to_network(images, dtype)
        assert X.shape == (256, 784)
        assert X.dtype == dtype
        np.testing.assert_array_equal(X[:, 0], np.arange(256).astype(dtype) / np.array(255, dtype))


# The stand-in


def test_the_stand_in_is_golden() -> None:
    content = b"".join(a.tobytes() for a in stand_in(100, 50))
    assert (
        hashlib.sha256(content).hexdigest()
        == "13687be73503c37e7473142881d0a50d0fd447f9195a624c184a2464cdbcfe1a"
    )


def test_a_smaller_stand_in_is_the_beginning_of_a_larger_one() -> None:
    small, large = load_data("stand-in", train_size=3, test_size=5), stand_in(2500, 60)
    for few, many in zip(small.arrays, large, strict=True):
        np.testing.assert_array_equal(few, many[: len(few)])


def test_the_stand_in_has_ten_classes_on_a_black_ground() -> None:
    images, labels, _, _ = stand_in(5000, 1)
    assert images.dtype == labels.dtype == np.uint8
    assert images.shape == (5000, 28, 28)
    assert (abs(np.bincount(labels, minlength=10) - 500) < 110).all()  # five standard deviations
    assert 0.3 < (images == 0).mean() < 0.8
    assert (images.max(axis=(1, 2)) > 60).all()


def test_seeds_draw_other_stand_ins() -> None:
    assert (stand_in(10, 1, seed=1)[0] != stand_in(10, 1, seed=2)[0]).any()


@pytest.mark.slow
def test_the_stand_in_is_hard_enough_and_not_too_hard() -> None:
    run = train("numpy", data="stand-in")
    assert 0.80 < run.history[-1].test_accuracy < 0.97


@pytest.mark.slow
def test_a_thousand_images_of_the_stand_in_overfit() -> None:
    data = load_data("stand-in", train_size=1000)
    run = train("numpy", Recipe(num_epochs=90, batch_size=64, lr=0.1, dropout=(0, 0)), data=data)
    last = run.history[-10:]
    gap = np.mean([r.train_accuracy for r in last]) - np.mean([r.test_accuracy for r in last])
    assert gap > 0.1
