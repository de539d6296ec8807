"""The names that sections 3.1 to 4.9 of *Dive into Deep Learning* use, in TensorFlow.

Source: *Dive into Deep Learning*, sections 3.2 to 3.7, and 4.4 for ``evaluate_loss``.

- The book's loop calls ``net(X)``, which skips dropout in Keras. This module calls
  ``net(X, training=True)``.
- Each call that trains or counts correct predictions compiles a Keras network into a graph, as
  Keras's ``fit`` does. After ``net.compile(run_eagerly=True)`` the network runs line by line, as in
  the book. ``evaluate_loss`` and ``predict_ch3`` always run line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import tensorflow as tf
from d2ldrop_tensorflow import from_numpy

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

__all__ = [
    "Accumulator",
    "Animator",
    "Timer",
    "Updater",
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

Array: TypeAlias = tf.Tensor
Batch: TypeAlias = tuple[Array, Array]


def load_data_fashion_mnist(
    batch_size: int, resize: int | None = None
) -> tuple[Loader[Batch], Loader[Batch]]:
    """Return training and test batches: X float32 (n, 28, 28, 1) in [0, 1], y int32 (n,).

    ``resize`` is the new width and height of the images. The order comes from TensorFlow's
    generator. Raises what ``d2ldrop.load_data`` raises.
    """

    def to_batch(X: Pixels, y: Labels) -> Batch:
        return from_numpy(X[..., None]), from_numpy(y.astype(np.int32))

    return loaders(batch_size, resize, to_batch, lambda n: tf.random.shuffle(tf.range(n)).numpy())


def load_array(
    data_arrays: Sequence[Any], batch_size: int, is_train: bool = True
) -> tf.data.Dataset:
    """Return a Dataset of batches of each array: features and labels for example.

    If ``is_train``, each epoch has a new order of all examples, from TensorFlow's generator. Arrays
    of NumPy work too.

    Raises:
        TypeError, ValueError: ``batch_size`` is not a positive integer, or the arrays have
            different lengths.
    """
    check_arrays(data_arrays, batch_size)
    dataset = tf.data.Dataset.from_tensor_slices(tuple(data_arrays))
    return (dataset.shuffle(len(data_arrays[0])) if is_train else dataset).batch(batch_size)


def synthetic_data(w: Array, b: float, num_examples: int) -> tuple[Array, Array]:
    """Return X (num_examples, len(w)) from N(0, 1) and y = Xw + b + noise (num_examples, 1).

    The noise is N(0, 0.01²). ``w`` has shape (k,) or (k, 1); the results have its dtype.
    """
    X = tf.random.normal((num_examples, len(w)), dtype=w.dtype)
    y = X @ tf.reshape(w, (-1, 1)) + b
    return X, y + tf.random.normal(y.shape, stddev=0.01, dtype=w.dtype)


def linreg(X: Array, w: Array, b: Array) -> Array:
    """Return the predictions of linear regression, Xw + b."""
    return X @ w + b


def squared_loss(y_hat: Array, y: Array) -> Array:
    """Return half the squared difference, with the shape of ``y_hat``."""
    return (y_hat - tf.reshape(y, y_hat.shape)) ** 2 / 2


def sgd(params: Iterable[Any], grads: Iterable[Array], lr: float, batch_size: int) -> None:
    """Take a step of minibatch SGD with the gradients of a sum of losses."""
    for param, grad in zip(params, grads, strict=True):
        param.assign_sub(lr / batch_size * grad)


class Updater:
    """Minibatch SGD of ``params`` with the learning rate ``lr``, for ``train_epoch_ch3``."""

    def __init__(self, params: Sequence[Any], lr: float) -> None:
        self.params, self.lr = params, lr

    def __call__(self, batch_size: int, grads: Iterable[Array]) -> None:
        """Take a step with the gradients of a sum of losses."""
        sgd(self.params, grads, self.lr, batch_size)


def accuracy(y_hat: Array, y: Array) -> float:
    """Count correct predictions: logits (n, classes) or classes (n,) against labels (n,)."""
    return float(_right(y_hat, y))


def _right(y_hat: Array, y: Array) -> Array:
    classes = tf.argmax(y_hat, axis=1) if len(y_hat.shape) > 1 and y_hat.shape[1] != 1 else y_hat
    same = tf.cast(classes, y.dtype) == tf.reshape(y, tf.shape(classes))
    return tf.reduce_sum(tf.cast(same, tf.int32))


def _call(net: Callable[..., Array], X: Array, training: bool) -> Array:
    return net(X, training=training) if isinstance(net, tf.keras.layers.Layer) else net(X)


def _loss(loss: Callable[..., Array], y_hat: Array, y: Array) -> Array:
    return loss(y, y_hat) if isinstance(loss, tf.keras.losses.Loss) else loss(y_hat, y)


def _graph(net: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` as a graph if ``net`` is a Keras layer that does not run eagerly."""
    eager = not isinstance(net, tf.keras.layers.Layer) or getattr(net, "run_eagerly", False)
    return function if eager else tf.function(function)


def evaluate_accuracy(net: Callable[..., Array], data_iter: Iterable[Batch]) -> float:
    """Return the fraction of correct predictions, in evaluation mode."""
    return _evaluate(_evaluation(net), data_iter)


def _evaluation(net: Callable[..., Array]) -> Callable[[Array, Array], Array]:
    """Return a function of a batch X, y: its number of correct predictions, in evaluation mode."""
    return _graph(net, lambda X, y: _right(_call(net, X, training=False), y))


def _evaluate(right: Callable[[Array, Array], Array], data_iter: Iterable[Batch]) -> float:
    metric = Accumulator(2)  # correct predictions, examples
    for X, y in data_iter:
        metric.add(right(X, y), len(y))
    return metric[0] / metric[1]


def evaluate_loss(
    net: Callable[..., Array], data_iter: Iterable[Batch], loss: Callable[..., Array]
) -> float:
    """Return the mean loss in evaluation mode.

    ``loss`` returns one loss per example or their mean. Labels with as many elements as the
    predictions take their shape.
    """
    metric = Accumulator(2)  # sum of losses, their number
    for X, y in data_iter:
        y_hat = _call(net, X, training=False)
        if tf.size(y) == tf.size(y_hat):
            y = tf.reshape(y, y_hat.shape)
        losses = _loss(loss, y_hat, y)
        if len(losses.shape):
            metric.add(tf.reduce_sum(losses), tf.size(losses))
        else:
            metric.add(losses * len(y), len(y))
    return metric[0] / metric[1]


def train_epoch_ch3(
    net: Callable[..., Array], train_iter: Iterable[Batch], loss: Callable[..., Array], updater: Any
) -> tuple[float, float]:
    """Train for one epoch in training mode; return its mean loss and accuracy.

    ``updater`` is a Keras optimiser, or a function of the batch size and the gradients of a sum of
    losses, with an attribute ``params``. ``loss`` returns one loss per example or their mean, not
    their sum; a Keras loss takes the labels first.
    """
    return _train_epoch(_step(net, loss, updater), train_iter)


def _train_epoch(
    step: Callable[[Array, Array], tuple[Array, Array]], train_iter: Iterable[Batch]
) -> tuple[float, float]:
    metric = Accumulator(3)  # sum of losses, correct predictions, examples
    for X, y in train_iter:
        metric.add(*step(X, y), len(y))
    return metric[0] / metric[2], metric[1] / metric[2]


def _step(
    net: Any, loss: Callable[..., Array], updater: Any
) -> Callable[[Array, Array], tuple[Array, Array]]:
    """Return a training step on a batch X, y.

    The step returns the sum of the losses and the number of correct predictions.
    """
    optimizer = isinstance(updater, tf.keras.optimizers.Optimizer)

    def step(X: Array, y: Array) -> tuple[Array, Array]:
        with tf.GradientTape() as tape:
            y_hat = _call(net, X, training=True)
            losses = _loss(loss, y_hat, y)
            mean = tf.reduce_mean(losses)
            n = tf.cast(tf.shape(y)[0], losses.dtype)
            total = tf.reduce_sum(losses) if len(losses.shape) else losses * n
        if optimizer:
            params = net.trainable_variables
            updater.apply_gradients(zip(tape.gradient(mean, params), params, strict=True))
        else:
            updater(len(y), tape.gradient(total, updater.params))
        return total, _right(y_hat, y)

    return _graph(net, step) if optimizer else step


def train_ch3(
    net: Callable[..., Array],
    train_iter: Iterable[Batch],
    test_iter: Iterable[Batch],
    loss: Callable[..., Array],
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
    step, right = _step(net, loss, updater), _evaluation(net)  # one graph each, for all epochs
    return train(
        num_epochs,
        lambda: _train_epoch(step, train_iter),
        lambda: _evaluate(right, test_iter),
        max_loss,
        min_accuracy,
    )


def predict_ch3(net: Callable[..., Array], test_iter: Iterable[Batch], n: int = 6) -> None:
    """Draw the first n images; above each stands its class, and below that the predicted one.

    The network predicts in evaluation mode.
    """
    show_predictions(lambda X: _call(net, X, training=False), test_iter, n)
