"""The names that sections 3.1 to 4.9 of *Dive into Deep Learning* use, in MXNet.

Import this module before ``mxnet``; the book imports ``mxnet`` first. This module provides names
that NumPy has removed and that MXNet's import needs.

Source: *Dive into Deep Learning*, sections 3.2 to 3.7, and 4.4 for ``evaluate_loss``.
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# pyright: reportOperatorIssue=false, reportOptionalSubscript=false
# (mxnet has no types: its import creates most of its functions.)
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from d2ldrop.core.imports import safe_import
from d2ldrop.d2l._curves import Accumulator, Animator, LateAccumulator, plt, train
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

with safe_import("mxnet"):
    import mxnet as mx
    from d2ldrop_mxnet import from_numpy
    from mxnet import autograd, gluon
    from mxnet.gluon.data.dataloader import default_batchify_fn
    from mxnet.util import use_np

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
def load_array(
    data_arrays: Sequence[Any], batch_size: int, is_train: bool = True
) -> gluon.data.DataLoader:
    """Return a DataLoader of batches of each array: features and labels for example.

    If ``is_train``, each epoch has a new order from NumPy's global generator, which Gluon's loader
    uses. Arrays of NumPy work too.

    Raises:
        TypeError, ValueError: ``batch_size`` is not a positive integer, or the arrays have
            different lengths.
    """
    check_arrays(data_arrays, batch_size)
    # Rows of NumPy arrays are faster, and use_np makes the batches arrays of mx.np.
    arrays = [x if isinstance(x, np.ndarray) else x.asnumpy() for x in data_arrays]

    @use_np
    def to_batch(rows: list[Any]) -> list[Array]:
        batch = default_batchify_fn(rows)
        return batch if len(arrays) > 1 else [batch]  # Gluon would return the only array itself

    dataset = gluon.data.ArrayDataset(*arrays)
    return gluon.data.DataLoader(dataset, batch_size, shuffle=is_train, batchify_fn=to_batch)


@use_np
def synthetic_data(w: Array, b: float, num_examples: int) -> tuple[Array, Array]:
    """Return X (num_examples, len(w)) from N(0, 1) and y = Xw + b + noise (num_examples, 1).

    The noise is N(0, 0.01²). ``w`` has shape (k,) or (k, 1); the results have its dtype.
    """
    X = mx.np.random.normal(0, 1, (num_examples, len(w))).astype(w.dtype)
    y = mx.np.dot(X, w.reshape(-1, 1)) + b
    return X, y + mx.np.random.normal(0, 0.01, y.shape).astype(w.dtype)


@use_np
def linreg(X: Array, w: Array, b: Array) -> Array:
    """Return the predictions of linear regression, Xw + b."""
    return mx.np.dot(X, w) + b


@use_np
def squared_loss(y_hat: Array, y: Array) -> Array:
    """Return half the squared difference, with the shape of ``y_hat``."""
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


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
def evaluate_loss(
    net: Callable[[Array], Array],
    data_iter: Iterable[Batch],
    loss: Callable[[Array, Array], Array],
) -> float:
    """Return the mean loss in evaluation mode.

    ``loss`` returns one loss per example or their mean. Labels with as many elements as the
    predictions take their shape.
    """
    metric = LateAccumulator(2)  # sum of losses, their number
    with autograd.pause():  # evaluation mode, in a recorded part too
        for X, y in data_iter:
            y_hat = net(X)
            losses = loss(y_hat, y.reshape(y_hat.shape) if y.size == y_hat.size else y)
            if losses.ndim:
                metric.add(losses.sum(), losses.size)
            else:
                metric.add(losses * len(y), len(y))
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


@use_np
def predict_ch3(net: Callable[[Array], Array], test_iter: Iterable[Batch], n: int = 6) -> None:
    """Draw the first n images; above each stands its class, and below that the predicted one.

    The network predicts in evaluation mode, in a recorded part too.
    """
    with autograd.pause():
        show_predictions(net, test_iter, n)
