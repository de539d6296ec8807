"""The built-in images that stand in for Fashion-MNIST."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from d2ldrop import Recipe, load_data, train
from d2ldrop.data.stand_in import stand_in


def test_the_stand_in_has_the_golden_digest() -> None:
    content = b"".join(a.tobytes() for a in stand_in(100, 50))
    assert (
        hashlib.sha256(content).hexdigest()
        == "13687be73503c37e7473142881d0a50d0fd447f9195a624c184a2464cdbcfe1a"
    )


def test_a_small_stand_in_equals_the_start_of_a_larger_one() -> None:
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


def test_another_seed_draws_other_images() -> None:
    assert (stand_in(10, 1, seed=1)[0] != stand_in(10, 1, seed=2)[0]).any()


@pytest.mark.slow
def test_the_stand_in_is_neither_too_easy_nor_too_hard() -> None:
    run = train("numpy", data="stand-in")
    assert 0.80 < run.history[-1].test_accuracy < 0.97


@pytest.mark.slow
def test_a_network_overfits_a_thousand_images_of_the_stand_in() -> None:
    data = load_data("stand-in", train_size=1000)
    run = train("numpy", Recipe(num_epochs=90, batch_size=64, lr=0.1, dropout=(0, 0)), data=data)
    last = run.history[-10:]
    gap = np.mean([r.train_accuracy for r in last]) - np.mean([r.test_accuracy for r in last])
    assert gap > 0.1
