"""Which images a run gets, and which arguments are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from d2ldrop.data import (
    DataNotFoundError,
    DataSource,
    StandInWarning,
    as_dataset,
    load_data,
    to_network,
)
from tests.data.conftest import has_debian


@has_debian
def test_auto_uses_the_real_data_if_they_are_found() -> None:
    assert load_data().name == "fashion-mnist"


@has_debian
def test_sizes_keep_the_first_images() -> None:
    small, whole = load_data(train_size=100, test_size=7), load_data()
    np.testing.assert_array_equal(small.train_images, whole.train_images[:100])
    np.testing.assert_array_equal(small.test_labels, whole.test_labels[:7])
    assert small.sha256 != whole.sha256


def test_auto_warns_and_uses_the_stand_in_without_data(nowhere: None) -> None:
    with pytest.warns(StandInWarning, match="NOT the real Fashion-MNIST"):
        found = load_data("auto", train_size=50, test_size=20)
    assert found.name == "stand-in"
    assert len(found.train_images) == 50


def test_fashion_mnist_raises_an_error_without_data(nowhere: None) -> None:
    with pytest.raises(DataNotFoundError, match=r"could not be downloaded: http://127\.0\.0\.1:9/"):
        load_data("fashion-mnist")


def test_auto_uses_the_stand_in_if_the_cache_cannot_be_written(
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
        load_data("stand-in", train_size=2.5)  # type: ignore[arg-type]  # a wrong type on purpose
    with pytest.raises(ValueError, match="'stand-in' reads no file"):
        load_data("stand-in", data_dir=".")


def test_pixels_are_divided_in_the_dtype_of_the_run() -> None:
    images = np.arange(256, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    for dtype in ("float32", "float64"):
        X = to_network(images, dtype)
        assert X.shape == (256, 784)
        assert X.dtype == dtype
        np.testing.assert_array_equal(X[:, 0], np.arange(256).astype(dtype) / np.array(255, dtype))


def test_a_source_is_checked_before_anything_is_searched(
    nowhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("searched")

    monkeypatch.setattr("d2ldrop.data.dataset.find_fashion_mnist", fail)
    with pytest.raises(ValueError, match="test_size must be an integer from 1 to 10000, got 0"):
        DataSource("fashion-mnist", test_size=0)
    DataSource("fashion-mnist", "/no/such/folder")  # nothing is searched yet


def test_as_dataset_loads_a_name_or_a_source_and_keeps_a_dataset() -> None:
    few = as_dataset(DataSource("stand-in", train_size=3, test_size=2))
    assert len(few.train_images) == 3
    assert as_dataset(few) is few
    with pytest.raises(ValueError, match="dataset must be one of"):
        as_dataset("mnist")
