"""The names that section 4.6 of *Dive into Deep Learning* uses, in PyTorch.

Source: *Dive into Deep Learning*, sections 3.4 to 3.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import torch
from d2ldrop_torch import from_numpy
from torch import nn

from d2ldrop.d2l._curves import Accumulator, Animator, plt, train
from d2ldrop.d2l._loader import Labels, Loader, Pixels, loaders

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

Array: TypeAlias = torch.Tensor
Batch: TypeAlias = tuple[Array, Array]


def load_data_fashion_mnist(
    batch_size: int, resize: int | None = None
) -> tuple[Loader[Batch], Loader[Batch]]:
    """Return training and test batches: X float32 (n, 1, 28, 28) in [0, 1], y int64 (n,).

    ``resize`` is the new width and height of the images. The order comes from PyTorch's
    generator. Raises what ``d2ldrop.load_data`` raises.
    """

    def to_batch(X: Pixels, y: Labels) -> Batch:
        return from_numpy(X[:, None]), from_numpy(y.astype(np.int64))

    return loaders(batch_size, resize, to_batch, lambda n: torch.randperm(n).numpy())


def sgd(params: Iterable[Array], lr: float, batch_size: int) -> None:
    """Take a step of minibatch SGD with the gradients of a sum of losses, then set them to 0."""
    with torch.no_grad():
        for param in params:
            grad = param.grad
            if grad is not None:  # None: the loss does not depend on param
                param -= lr / batch_size * grad
                grad.zero_()


def accuracy(y_hat: Array, y: Array) -> float:
    """Count correct predictions: logits (n, classes) or classes (n,) against labels (n,)."""
    classes = y_hat.argmax(dim=1) if y_hat.ndim > 1 and y_hat.shape[1] != 1 else y_hat
    return float((classes.type(y.dtype) == y.reshape(classes.shape)).sum())


def evaluate_accuracy(net: Callable[[Array], Array], data_iter: Iterable[Batch]) -> float:
    """Return the fraction of correct predictions, in evaluation mode."""
    if isinstance(net, nn.Module):
        net.eval()
    metric = Accumulator(2)  # correct predictions, examples
    with torch.no_grad():
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

    ``updater`` is an optimiser of ``torch.optim`` or a function of the batch size.
    ``loss`` returns one loss per example or their mean, not their sum.
    """
    if isinstance(net, nn.Module):
        net.train()
    metric = Accumulator(3)  # sum of losses, correct predictions, examples
    for X, y in train_iter:
        y_hat = net(X)
        losses = loss(y_hat, y)
        total = losses.sum() if losses.ndim else losses * len(y)
        if isinstance(updater, torch.optim.Optimizer):
            updater.zero_grad()
            losses.mean().backward()  # type: ignore[no-untyped-call]  # torch does not type it
            updater.step()
        else:
            total.backward()  # type: ignore[no-untyped-call]  # as above
            updater(len(y))
        metric.add(total.detach(), accuracy(y_hat.detach(), y), len(y))
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
