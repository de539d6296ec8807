"""Arrays in batches, made-up data for linear regression, and the timer."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from d2ldrop.backend import Backend
from d2ldrop.d2l import _timer
from d2ldrop.d2l._timer import Timer
from tests.d2l.test_d2l import FRAMEWORKS


@pytest.mark.only(*FRAMEWORKS)
def test_arrays_come_in_batches(d2l: Any, backend: Backend[Any]) -> None:
    """Arrays of NumPy and of the framework, vectors and integers; a new order in each epoch."""
    X = np.arange(20, dtype=np.float32).reshape(10, 2)
    for y in (X[:, 0] + 0.5, X[:, :1] + 0.5, np.arange(10, dtype=np.int32)):
        arrays = X, y, tuple(map(backend.from_numpy, (X, y)))
        for data in (list(arrays[:2]), arrays[2]):
            batches = list(d2l.load_array(data, 4, is_train=False))
            assert all(backend.is_array(array) for batch in batches for array in batch)
            for given, found in zip((X, y), zip(*batches, strict=True), strict=True):
                joined = [backend.to_numpy(batch) for batch in found]
                assert [len(batch) for batch in joined] == [4, 4, 2]
                np.testing.assert_array_equal(np.concatenate(joined), given)
                assert joined[0].dtype == given.dtype
    for (batch,) in d2l.load_array((X,), 4):  # a single array
        assert batch.shape[1:] == (2,)
    data_iter = d2l.load_array((X, X[:, 0]), 4)
    orders = []
    for _ in range(3):
        epoch = [[backend.to_numpy(array) for array in batch] for batch in data_iter]
        inputs, labels = map(np.concatenate, zip(*epoch, strict=True))
        np.testing.assert_array_equal(inputs[:, 0], labels)  # rows stay together
        assert sorted(labels) == sorted(X[:, 0])
        orders.append(tuple(labels))
    assert len(set(orders)) > 1


@pytest.mark.only(*FRAMEWORKS)
def test_wrong_arrays_are_refused_before_the_framework_sees_them(d2l: Any) -> None:
    X = np.zeros((3, 2), np.float32)
    for data, batch_size, message in (
        ((X, X[:2]), 1, r"data_arrays must be arrays of the same length, got lengths \[3, 2\]"),
        ((), 1, "data_arrays must be arrays of the same length, got no array"),
        ((X, X), 0, "batch_size must be a positive integer, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            d2l.load_array(data, batch_size)


@pytest.mark.only(*FRAMEWORKS)
def test_linear_regression_finds_the_weights(
    d2l: Any, backend: Backend[Any], backend_name: str
) -> None:
    """Sections 3.2 and 4.5: data, batches, model, loss and step work together."""
    weights, bias = np.array([2, -3.4], np.float32), 4.2
    for true_w in (weights, weights[:, None]):
        X, y = d2l.synthetic_data(backend.from_numpy(true_w), bias, 500)
        inputs, labels = backend.to_numpy(X), backend.to_numpy(y)
        assert (inputs.shape, labels.shape) == ((500, 2), (500, 1))
        noise = labels[:, 0] - inputs @ weights - bias
        np.testing.assert_allclose(inputs.std(axis=0), 1, atol=0.15)
        assert 0.008 < noise.std() < 0.012
        assert abs(noise.mean()) < 0.003
    w, b = backend.init_params([np.zeros((2, 1), np.float32), np.zeros(1, np.float32)])
    data_iter = d2l.load_array((X, y), 10)
    for X, y in itertools.chain(data_iter, data_iter):
        step(d2l, backend_name, X, y, w, b)
    np.testing.assert_allclose(backend.to_numpy(w).ravel(), weights, atol=0.01)
    np.testing.assert_allclose(backend.to_numpy(b), bias, atol=0.01)
    found = d2l.evaluate_loss(lambda X: d2l.linreg(X, w, b), data_iter, d2l.squared_loss)
    assert found < 1e-4


def step(d2l: Any, backend_name: str, X: Any, y: Any, w: Any, b: Any) -> None:
    """A step of SGD as the book writes it."""
    if backend_name == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            losses = d2l.squared_loss(d2l.linreg(X, w, b), y)
        d2l.sgd([w, b], tape.gradient(losses, [w, b]), 0.1, len(y))
        return
    if backend_name == "mxnet":
        from mxnet import autograd

        with autograd.record():
            losses = d2l.squared_loss(d2l.linreg(X, w, b), y)
        losses.backward()
    else:
        d2l.squared_loss(d2l.linreg(X, w, b), y).sum().backward()
    d2l.sgd([w, b], 0.1, len(y))


def test_a_timer_lists_and_sums_its_times(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.0, 20.0, 23.0, 26.0])
    monkeypatch.setattr(_timer, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    timer = Timer()
    with pytest.raises(ValueError, match="avg needs at least one time: call stop first"):
        timer.avg()
    assert (timer.sum(), timer.cumsum()) == (0, [])
    assert timer.stop() == 1
    timer.start()
    assert timer.stop() == 3
    assert timer.stop() == 6  # since the last start
    assert timer.times == [1, 3, 6]
    assert (timer.avg(), timer.sum(), timer.cumsum()) == (10 / 3, 10, [1, 4, 10])
