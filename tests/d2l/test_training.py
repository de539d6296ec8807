"""Training and evaluation compared with calculations by hand."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from d2ldrop.backend import Backend
from tests.d2l.test_d2l import FRAMEWORKS

Array = npt.NDArray[np.float32]

LR = 0.25
W = np.array([[0.5], [-1.0]], np.float32)
X = np.array([[1, 2], [0, -1], [3, 1], [-2, 4], [1, 1]], np.float32)
Y = np.array([[1], [2], [-1], [0], [3]], np.float32)
BATCHES = ((X[:4], Y[:4]), (X[4:], Y[4:]))  # the last batch is smaller


def by_hand() -> tuple[Array, float]:
    """Two steps of linear regression: the weights afterwards, and the mean loss of all examples."""
    weights, losses = W.copy(), []
    for inputs, labels in BATCHES:
        error = inputs @ weights - labels
        losses += list(error**2 / 2)
        weights -= LR * inputs.T @ error / len(inputs)
    return weights, float(np.mean(losses))


def linear(backend_name: str) -> tuple[Any, Callable[[], list[Any]], Callable[[], Any]]:
    """The layer XW of a framework, its parameters, and its optimiser."""
    if backend_name == "torch":
        import torch

        net: Any = torch.nn.Linear(2, 1, bias=False)
        net.weight.data[:] = torch.tensor(W.T)
        return net, lambda: list(net.parameters()), lambda: torch.optim.SGD(net.parameters(), lr=LR)
    if backend_name == "tensorflow":
        import tensorflow as tf

        net = tf.keras.Sequential([tf.keras.layers.Dense(1, use_bias=False)])
        net.build((None, 2))
        net.set_weights([W])
        return net, lambda: net.trainable_variables, lambda: tf.keras.optimizers.SGD(LR)
    if backend_name == "mxnet":
        from mxnet import gluon, npx
        from mxnet import np as mx_np

        npx.set_np()
        net = gluon.nn.Dense(1, use_bias=False, in_units=2)
        net.initialize()
        net.weight.set_data(mx_np.array(W.T))
        rate = {"learning_rate": LR}
        return (
            net,
            lambda: [net.weight.data()],
            lambda: gluon.Trainer(net.collect_params(), "sgd", rate),
        )
    import paddle

    net = paddle.nn.Linear(2, 1, bias_attr=False)
    net.weight.set_value(paddle.to_tensor(W))
    return net, net.parameters, lambda: paddle.optimizer.SGD(LR, net.parameters())


def averaged(d2l: Any, backend_name: str) -> Callable[[Any, Any], Any]:
    """The squared loss, averaged over the batch."""

    def loss(y_hat: Any, y: Any) -> Any:
        losses = d2l.squared_loss(y_hat, y)
        tensorflow = backend_name == "tensorflow"
        return sys.modules["tensorflow"].reduce_mean(losses) if tensorflow else losses.mean()

    return loss


@pytest.mark.only(*FRAMEWORKS)
def test_an_epoch_equals_the_calculation_by_hand(
    d2l: Any, backend: Backend[Any], backend_name: str
) -> None:
    """Steps divide by the size of their batch, gradients do not add up over steps, and each example
    counts once in the loss: with the book's sgd and with an optimiser, with a loss per example and
    with their mean.
    """
    weights, expected = by_hand()
    batches = [tuple(map(backend.from_numpy, batch)) for batch in BATCHES]
    losses = [d2l.squared_loss]
    if backend_name != "mxnet":  # a Trainer of MXNet takes one loss per example
        losses.append(averaged(d2l, backend_name))
    for loss, book in itertools.product(losses, (True, False)):
        net, params, optimiser = linear(backend_name)
        if not book:
            updater = optimiser()
        elif backend_name == "tensorflow":
            updater = d2l.Updater(params(), LR)
        else:
            updater = partial(lambda params, n: d2l.sgd(params(), LR, n), params)
        found, _ = d2l.train_epoch_ch3(net, batches, loss, updater)
        (param,) = params()
        assert found == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(backend.to_numpy(param).ravel(), weights.ravel(), rtol=1e-5)


@pytest.mark.only(*FRAMEWORKS)
def test_the_evaluated_loss_is_the_mean_of_all_examples(
    d2l: Any, backend: Backend[Any], backend_name: str
) -> None:
    """Labels (n,) take the shape of the predictions (n, 1), so they do not broadcast."""
    expected = np.mean((X @ W - Y) ** 2)
    net, _, _ = linear(backend_name)
    losses = [lambda y_hat, y: (y_hat - y) ** 2]
    if backend_name != "mxnet":
        mean = averaged(d2l, backend_name)
        losses.append(lambda y_hat, y: 2 * mean(y_hat, y))
    for shape, loss in itertools.product([(-1, 1), (-1,)], losses):
        batches = [
            (backend.from_numpy(x), backend.from_numpy(y.reshape(shape))) for x, y in BATCHES
        ]
        assert d2l.evaluate_loss(net, batches, loss) == pytest.approx(expected, rel=1e-5)
