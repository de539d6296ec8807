"""The layers in NumPy: their gradients equal finite differences."""

from __future__ import annotations

from typing import Any

import d2ldrop_numpy as reference
import numpy as np
import pytest
from d2ldrop_numpy_layers import SGD, Dropout, Layer, Linear, ReLU, Sequential


def network(p: float = 0.5) -> tuple[Sequential, Any, Any]:
    rng = np.random.default_rng(0)
    net = Sequential(
        Linear(rng.normal(size=(6, 5)), rng.normal(size=5)),
        ReLU(),
        Dropout(p, np.random.default_rng(1)),
        Linear(rng.normal(size=(5, 3)), rng.normal(size=3)),
    )
    return net, rng.normal(size=(7, 6)), rng.integers(0, 3, 7)


@pytest.mark.parametrize("index", range(4))
def test_gradients_of_a_network_equal_finite_differences(index: int) -> None:
    net, X, y = network()

    def loss() -> float:
        dropout = net.layers[2]
        assert isinstance(dropout, Dropout)
        dropout.generator = np.random.default_rng(1)  # draw the same mask each time
        return float(reference.cross_entropy(net.forward(X, training=True), y))

    loss()
    logits = net.forward(X, training=True)
    dropout = net.layers[2]
    assert isinstance(dropout, Dropout)
    dropout.generator = np.random.default_rng(1)
    logits = net.forward(X, training=True)
    net.backward(reference.cross_entropy_and_gradient(logits, y)[1])
    param, grad = net.params()[index], net.grads()[index]
    for place in np.ndindex(param.shape):
        values = []
        for step in (1e-6, -1e-6):
            param[place] += step
            values.append(loss())
            param[place] -= step
        assert grad[place] == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0, 0.3, 1])
def test_dropout_uses_one_mask_and_scale_in_both_passes(p: float, dtype: str) -> None:
    layer, X = Dropout(p, np.random.default_rng(0)), np.full((200, 300), 2, dtype)
    assert layer.forward(X) is X
    Y = layer.forward(X, training=True)
    assert Y.dtype == dtype
    assert np.mean(Y == 0) == pytest.approx(p, abs=0.01)
    rtol = 1e-6 if dtype == "float32" else 1e-15
    np.testing.assert_allclose(Y[Y != 0], 2 / (1 - p) if p < 1 else 2, rtol=rtol)
    dY = np.ones_like(X)
    np.testing.assert_array_equal(layer.backward(dY), Y / 2)


@pytest.mark.parametrize("layer", [Linear(np.eye(2) * 3, np.zeros(2)), ReLU()])
def test_layers_without_dropout_ignore_the_training_mode(layer: Layer) -> None:
    X = np.array([[1.0, -2.0]])
    np.testing.assert_array_equal(layer.forward(X, training=True), layer.forward(X))


def test_sgd_updates_in_place() -> None:
    net, X, y = network(p=0)
    params = net.params()
    before = [param.copy() for param in params]
    logits = net.forward(X, training=True)
    net.backward(reference.cross_entropy_and_gradient(logits, y)[1])
    SGD(net, 0.5).step()
    for param, old, grad in zip(params, before, net.grads(), strict=True):
        np.testing.assert_array_equal(param, old - 0.5 * grad)
