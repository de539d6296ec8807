"""The names that section 4.6 of *Dive into Deep Learning* uses, in PaddlePaddle.

Import this module before ``paddle``; the book imports ``paddle`` first. Paddle then computes on all
cores instead of one, unless you have set OMP_NUM_THREADS.

Source: *Dive into Deep Learning*, sections 3.4 to 3.7.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from d2ldrop.core.imports import safe_import
from d2ldrop.core.machine import cores
from d2ldrop.d2l._curves import Accumulator, Animator, plt, train
from d2ldrop.d2l._loader import Labels, Loader, Pixels, loaders

os.environ.setdefault("OMP_NUM_THREADS", str(cores()))  # paddle's import would set it to 1

with safe_import("paddle"):
    import paddle
    from d2ldrop_paddle import from_numpy
    from paddle import nn

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

Array: TypeAlias = paddle.Tensor
Batch: TypeAlias = tuple[Array, Array]


def load_data_fashion_mnist(
    batch_size: int, resize: int | None = None
) -> tuple[Loader[Batch], Loader[Batch]]:
    """Return training and test batches: X float32 (n, 1, 28, 28) in [0, 1], y int64 (n,).

    ``resize`` is the new width and height of the images. The order comes from Paddle's
    generator. Raises what ``d2ldrop.load_data`` raises.
    """

    def to_batch(X: Pixels, y: Labels) -> Batch:
        return from_numpy(X[:, None]), from_numpy(y.astype(np.int64))

    return loaders(batch_size, resize, to_batch, lambda n: paddle.randperm(n).numpy())


def sgd(params: Iterable[Array], lr: float, batch_size: int) -> None:
    """Take a step of minibatch SGD with the gradients of a sum of losses, then set them to 0."""
    with paddle.no_grad():
        for param in params:
            if param.grad is not None:  # None: the loss does not depend on param
                param.subtract_(lr / batch_size * param.grad)
                param.clear_gradient()


def accuracy(y_hat: Array, y: Array) -> float:
    """Count correct predictions: logits (n, classes) or classes (n,) against labels (n,)."""
    classes = y_hat.argmax(axis=1) if y_hat.ndim > 1 and y_hat.shape[1] != 1 else y_hat
    return float((classes.astype(y.dtype) == y.reshape(classes.shape)).sum())


def evaluate_accuracy(net: Callable[[Array], Array], data_iter: Iterable[Batch]) -> float:
    """Return the fraction of correct predictions, in evaluation mode."""
    if isinstance(net, nn.Layer):
        net.eval()
    metric = Accumulator(2)  # correct predictions, examples
    with paddle.no_grad():
        for X, y in data_iter:
            metric.add(accuracy(net(X), y), len(y))
    return metric[0] / metric[1]


def train_epoch_ch3(
    net: Callable[[Array], Array],
    train_iter: Iterable[Batch],
    loss: Callable[[Array, Array], Array],
    updater: Any,
) -> tuple[float, float]:
    """Train for one epoch in training mode; return its mean loss and accuracy.

    ``updater`` is an optimiser of ``paddle.optimizer`` or a function of the batch size.
    ``loss`` returns one loss per example or their mean, not their sum.
    """
    if isinstance(net, nn.Layer):
        net.train()
    metric = Accumulator(3)  # sum of losses, correct predictions, examples
    for X, y in train_iter:
        y_hat = net(X)
        losses = loss(y_hat, y)
        total = losses.sum() if losses.ndim else losses * len(y)
        if isinstance(updater, paddle.optimizer.Optimizer):
            updater.clear_grad()
            losses.mean().backward()
            updater.step()
        else:
            total.backward()
            updater(len(y))
        metric.add(total, accuracy(y_hat, y), len(y))
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
