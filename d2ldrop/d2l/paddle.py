"""The names that sections 3.1 to 4.9 of *Dive into Deep Learning* use, in PaddlePaddle.

Import this module before ``paddle``; the book imports ``paddle`` first. Paddle then computes on all
cores instead of one, unless you have set OMP_NUM_THREADS.

Source: *Dive into Deep Learning*, sections 3.2 to 3.7, and 4.4 for ``evaluate_loss``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from d2ldrop.core.imports import safe_import
from d2ldrop.core.machine import cores
from d2ldrop.d2l._curves import Accumulator, Animator, plt, train
from d2ldrop.d2l._loader import Labels, Loader, Pixels, check_arrays, loaders
from d2ldrop.d2l._names import unknown_name
from d2ldrop.d2l._pictures import (
    get_fashion_mnist_labels,
    plot,
    set_axes,
    set_figsize,
    show_images,
    show_predictions,
    use_svg_display,
)
from d2ldrop.d2l._timer import Timer

os.environ.setdefault("OMP_NUM_THREADS", str(cores()))  # paddle's import would set it to 1

with safe_import("paddle"):
    import paddle
    from d2ldrop_paddle import from_numpy
    from paddle import nn
    from paddle.io import DataLoader, TensorDataset

__all__ = [
    "Accumulator",
    "Animator",
    "Timer",
    "accuracy",
    "evaluate_accuracy",
    "evaluate_loss",
    "get_fashion_mnist_labels",
    "linreg",
    "load_array",
    "load_data_fashion_mnist",
    "plot",
    "plt",
    "predict_ch3",
    "set_axes",
    "set_figsize",
    "sgd",
    "show_images",
    "squared_loss",
    "synthetic_data",
    "train_ch3",
    "train_epoch_ch3",
    "use_svg_display",
]

if not TYPE_CHECKING:  # so that type checkers still report unknown names
    __getattr__ = unknown_name(__name__, __all__)

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


def load_array(data_arrays: Sequence[Any], batch_size: int, is_train: bool = True) -> DataLoader:
    """Return a DataLoader of batches of each array: features and labels for example.

    If ``is_train``, each epoch has a new order from NumPy's global generator, which Paddle's loader
    uses. Arrays of NumPy work too.

    Raises:
        TypeError, ValueError: ``batch_size`` is not a positive integer, or the arrays have
            different lengths.
    """
    check_arrays(data_arrays, batch_size)
    tensors = [paddle.to_tensor(x) if isinstance(x, np.ndarray) else x for x in data_arrays]
    return DataLoader(TensorDataset(tensors), batch_size=batch_size, shuffle=is_train)


def synthetic_data(w: Array, b: float, num_examples: int) -> tuple[Array, Array]:
    """Return X (num_examples, len(w)) from N(0, 1) and y = Xw + b + noise (num_examples, 1).

    The noise is N(0, 0.01²). ``w`` has shape (k,) or (k, 1); the results have its dtype.
    """
    X = paddle.normal(0.0, 1.0, [num_examples, len(w)]).astype(w.dtype)
    y = X @ w.reshape((-1, 1)) + b
    return X, y + paddle.normal(0.0, 0.01, y.shape).astype(w.dtype)


def linreg(X: Array, w: Array, b: Array) -> Array:
    """Return the predictions of linear regression, Xw + b."""
    return X @ w + b


def squared_loss(y_hat: Array, y: Array) -> Array:
    """Return half the squared difference, with the shape of ``y_hat``."""
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


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


@contextmanager
def _evaluation_mode(net: Callable[[Array], Array]) -> Iterator[None]:
    """Evaluation mode without gradients. Afterwards each layer has its former mode again."""
    layers = net.sublayers(include_self=True) if isinstance(net, nn.Layer) else []
    modes = [layer.training for layer in layers]
    if isinstance(net, nn.Layer):
        net.eval()
    try:
        with paddle.no_grad():
            yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.training = mode


def evaluate_loss(
    net: Callable[[Array], Array],
    data_iter: Iterable[Batch],
    loss: Callable[[Array, Array], Array],
) -> float:
    """Return the mean loss in evaluation mode; the mode of the network does not change.

    ``loss`` returns one loss per example or their mean. Labels with as many elements as the
    predictions take their shape.
    """
    metric = Accumulator(2)  # sum of losses, their number
    with _evaluation_mode(net):
        for X, y in data_iter:
            y_hat = net(X)
            losses = loss(y_hat, y.reshape(y_hat.shape) if y.size == y_hat.size else y)
            if losses.ndim:
                metric.add(losses.sum(), losses.size)
            else:
                metric.add(losses * len(y), len(y))
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


def predict_ch3(net: Callable[[Array], Array], test_iter: Iterable[Batch], n: int = 6) -> None:
    """Draw the first n images; above each stands its class, and below that the predicted one.

    The network predicts in evaluation mode; its mode does not change.
    """
    with _evaluation_mode(net):
        show_predictions(net, test_iter, n)
