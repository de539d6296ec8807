"""The names that section 4.6 of *Dive into Deep Learning* uses, in MXNet.

Import this module before ``mxnet``; the book imports ``mxnet`` first. This module provides names
that NumPy has removed and that MXNet's import needs.

Source: *Dive into Deep Learning*, sections 3.4 to 3.7.
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# pyright: reportOperatorIssue=false, reportOptionalSubscript=false
# (mxnet has no types: its import creates most of its functions.)
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from d2ldrop.core.imports import safe_import
from d2ldrop.d2l._curves import Accumulator, Animator, LateAccumulator, plt, train
from d2ldrop.d2l._loader import Labels, Loader, Pixels, loaders

with safe_import("mxnet"):
    import mxnet as mx
    from d2ldrop_mxnet import from_numpy
    from mxnet import autograd, gluon
    from mxnet.util import use_np

__all__ = [
    "Accumulator",
    "Animator",
    "accuracy",
    "evaluate_accuracy",
    "load_data_fashion_mnist",
    "plt",
    "sgd",
    "train_ch3",
    "train_epoch_ch3",
]

Array: TypeAlias = mx.np.ndarray
Batch: TypeAlias = tuple[Array, Array]


def load_data_fashion_mnist(
    batch_size: int, resize: int | None = None
) -> tuple[Loader[Batch], Loader[Batch]]:
    """Return training and test batches: X float32 (n, 1, 28, 28) in [0, 1], y int32 (n,).

    ``resize`` is the new width and height of the images. The order comes from MXNet's
    generator. Raises what ``d2ldrop.load_data`` raises.
    """

    @use_np
    def to_batch(X: Pixels, y: Labels) -> Batch:
        return from_numpy(X[:, None]), from_numpy(y.astype(np.int32))

    @use_np
    def permutation(n: int) -> Any:
        return mx.np.random.uniform(size=n).asnumpy().argsort(kind="stable")

    return loaders(batch_size, resize, to_batch, permutation)


@use_np
def sgd(params: Iterable[Array], lr: float, batch_size: int) -> None:
    """Take a step of minibatch SGD with the gradients of a sum of losses."""
    for param in params:
        param -= lr / batch_size * param.grad


@use_np
def accuracy(y_hat: Array, y: Array) -> float:
    """Count correct predictions: logits (n, classes) or classes (n,) against labels (n,)."""
    return float(_right(y_hat, y))


def _right(y_hat: Array, y: Array) -> Array:
    classes = y_hat.argmax(axis=1) if y_hat.ndim > 1 and y_hat.shape[1] != 1 else y_hat
    return (classes.astype(y.dtype) == y.reshape(classes.shape)).sum()


@use_np
def evaluate_accuracy(net: Callable[[Array], Array], data_iter: Iterable[Batch]) -> float:
    """Return the fraction of correct predictions. Outside ``record``, dropout is off."""
    metric = LateAccumulator(2)  # correct predictions, examples
    for X, y in data_iter:
        metric.add(_right(net(X), y), len(y))
    return metric[0] / metric[1]


@use_np
def train_epoch_ch3(
    net: Callable[[Array], Array],
    train_iter: Iterable[Batch],
    loss: Callable[[Array, Array], Array],
    updater: Any,
) -> tuple[float, float]:
    """Train for one epoch in training mode; return its mean loss and accuracy.

    ``updater`` is a ``gluon.Trainer`` or a function of the batch size. ``loss``
    returns one loss per example.
    """
    step = updater.step if isinstance(updater, gluon.Trainer) else updater
    metric = LateAccumulator(3)  # sum of losses, correct predictions, examples
    for X, y in train_iter:
        with autograd.record():
            y_hat = net(X)
            losses = loss(y_hat, y)
        losses.backward()
        step(len(y))
        metric.add(losses.sum(), _right(y_hat, y), len(y))
    return metric[0] / metric[2], metric[1] / metric[2]


def train_ch3(
    net: Callable[[Array], Array],
    train_iter: Iterable[Batch],
    test_iter: Iterable[Batch],
    loss: Callable[[Array, Array], Array],
    num_epochs: int,
    updater: Any,
    *,
    max_loss: float | None = None,
    min_accuracy: float | None = None,
) -> Animator:
    """Train and draw loss and accuracies by epoch (section 3.6); return the curves.

    Raises:
        AssertionError: the final training loss is above ``max_loss``, or an accuracy is below
            ``min_accuracy``. Without these arguments nothing is asserted.
    """
    return train(
        num_epochs,
        lambda: train_epoch_ch3(net, train_iter, loss, updater),
        lambda: evaluate_accuracy(net, test_iter),
        max_loss,
        min_accuracy,
    )
