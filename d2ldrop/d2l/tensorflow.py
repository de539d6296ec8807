"""The names that section 4.6 of *Dive into Deep Learning* uses, in TensorFlow.

Source: *Dive into Deep Learning*, sections 3.4 to 3.7.

- The book's loop calls ``net(X)``, which skips dropout in Keras. This module calls
  ``net(X, training=True)``.
- Each call of these functions compiles a Keras network into a graph, as Keras's ``fit`` does. After
  ``net.compile(run_eagerly=True)`` the network runs line by line, as in the book.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from d2ldrop_tensorflow import from_numpy

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


def sgd(params: Iterable[Any], grads: Iterable[Array], lr: float, batch_size: int) -> None:
    """Take a step of minibatch SGD with the gradients of a sum of losses."""
    for param, grad in zip(params, grads, strict=True):
        param.assign_sub(lr / batch_size * grad)


def accuracy(y_hat: Array, y: Array) -> float:
    """Count correct predictions: logits (n, classes) or classes (n,) against labels (n,)."""
    return float(_right(y_hat, y))


def _right(y_hat: Array, y: Array) -> Array:
    classes = tf.argmax(y_hat, axis=1) if len(y_hat.shape) > 1 and y_hat.shape[1] != 1 else y_hat
    same = tf.cast(classes, y.dtype) == tf.reshape(y, tf.shape(classes))
    return tf.reduce_sum(tf.cast(same, tf.int32))


def _call(net: Callable[..., Array], X: Array, training: bool) -> Array:
    return net(X, training=training) if isinstance(net, tf.keras.layers.Layer) else net(X)


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
            keras = isinstance(loss, tf.keras.losses.Loss)
            losses = loss(y, y_hat) if keras else loss(y_hat, y)
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
