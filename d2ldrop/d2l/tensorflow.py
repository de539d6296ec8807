"""The names of *Dive into Deep Learning* that its section 4.6 needs, in TensorFlow.

Source of the names and of what they do: *Dive into Deep Learning*, sections 3.4 to 3.7. The book's
loop calls ``net(X)``, by which Keras leaves dropout out; this one says ``training=True``. A network
of Keras becomes a graph once, as in Keras's ``fit``: Python values that it reads are those of then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
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
    """Batches to train and to test with: X float32 (n, 28, 28, 1) in [0, 1], y int32 (n,).

    ``resize`` makes the images that many pixels wide and high. The order comes from TensorFlow's
    generator. Raises what ``d2ldrop.load_data`` raises.
    """

    def to_batch(X: Pixels, y: Labels) -> Batch:
        return from_numpy(X[..., None]), from_numpy(y.astype(np.int32))

    return loaders(batch_size, resize, to_batch, lambda n: tf.random.shuffle(tf.range(n)).numpy())


def sgd(params: Iterable[Any], grads: Iterable[Array], lr: float, batch_size: int) -> None:
    """A step of minibatch SGD on gradients of a sum of losses."""
    for param, grad in zip(params, grads, strict=True):
        param.assign_sub(lr / batch_size * grad)


def accuracy(y_hat: Array, y: Array) -> float:
    """The number of right predictions: logits (n, classes) or classes (n,) against labels (n,)."""
    return float(_right(y_hat, y))


def _right(y_hat: Array, y: Array) -> Array:
    classes = tf.argmax(y_hat, axis=1) if len(y_hat.shape) > 1 else y_hat
    return tf.reduce_sum(tf.cast(tf.cast(classes, y.dtype) == y, tf.int32))


def evaluate_accuracy(net: Callable[..., Array], data_iter: Iterable[Batch]) -> float:
    """The fraction of right predictions, in evaluation mode."""
    right = traced_right(net) if isinstance(net, tf.keras.layers.Layer) else eager_right(net)
    metric = Accumulator(2)  # right, of all
    for X, y in data_iter:
        metric.add(right(X, y), len(y))
    return metric[0] / metric[1]


def eager_right(net: Callable[..., Array]) -> Callable[[Array, Array], Array]:
    """How many of a batch X, y are right, in evaluation mode."""
    return lambda X, y: _right(_call(net, X, training=False), y)


@lru_cache(maxsize=1)
def traced_right(net: Callable[..., Array]) -> Callable[[Array, Array], Array]:
    """``eager_right`` as a graph, traced once for a network."""
    return tf.function(eager_right(net), reduce_retracing=True)


def _call(net: Callable[..., Array], X: Array, training: bool) -> Array:
    return net(X, training=training) if isinstance(net, tf.keras.layers.Layer) else net(X)


def train_epoch_ch3(
    net: Callable[..., Array], train_iter: Iterable[Batch], loss: Callable[..., Array], updater: Any
) -> tuple[float, float]:
    """Train for an epoch, in training mode; the mean loss and the accuracy over it.

    ``updater`` is an optimiser of Keras, or has ``params`` and takes the batch size and the
    gradients of a sum of losses, as ``sgd`` wants them. ``loss`` gives one loss an example, or
    their mean; one of Keras's takes the labels first.
    """
    step = traced_step if isinstance(updater, tf.keras.optimizers.Optimizer) else eager_step
    metric = Accumulator(3)  # sum of losses, right, of all
    for X, y in train_iter:
        mean, right = step(net, loss, updater)(X, y)
        metric.add(float(mean) * len(y), right, len(y))
    return metric[0] / metric[2], metric[1] / metric[2]


def eager_step(
    net: Any, loss: Callable[..., Array], updater: Any
) -> Callable[[Array, Array], tuple[Array, Array]]:
    """A step of a batch X, y: the mean loss, and how many were right."""

    def step(X: Array, y: Array) -> tuple[Array, Array]:
        with tf.GradientTape() as tape:
            y_hat = _call(net, X, training=True)
            keras = isinstance(loss, tf.keras.losses.Loss)
            mean = tf.reduce_mean(loss(y, y_hat) if keras else loss(y_hat, y))
            total = mean * tf.cast(tf.shape(y)[0], mean.dtype)
        if isinstance(updater, tf.keras.optimizers.Optimizer):
            params = net.trainable_variables
            updater.apply_gradients(zip(tape.gradient(mean, params), params, strict=True))
        else:
            updater(len(y), tape.gradient(total, updater.params))
        return mean, _right(y_hat, y)

    return step


@lru_cache(maxsize=1)
def traced_step(
    net: Any, loss: Callable[..., Array], updater: Any
) -> Callable[[Array, Array], tuple[Array, Array]]:
    """``eager_step`` as a graph, traced once for a training."""
    return tf.function(eager_step(net, loss, updater), reduce_retracing=True)


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
    """Train, and draw loss and accuracies by epoch (section 3.6); the curves.

    Raises:
        AssertionError: in the end the training loss is above ``max_loss``, or an accuracy below
            ``min_accuracy``; not given, nothing is asserted.
    """
    return train(
        num_epochs,
        lambda: train_epoch_ch3(net, train_iter, loss, updater),
        lambda: evaluate_accuracy(net, test_iter),
        max_loss,
        min_accuracy,
    )
