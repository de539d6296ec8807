"""Dropout and the dropout MLP in TensorFlow.

What is particular to TensorFlow:

- A tape records what is to be differentiated; variables are watched by themselves.
- An operation runs on the GPU, where there is one, unless a device scope says otherwise.
- ``*`` of a boolean and a float is a logical and: the mask is cast first.
"""

# pyright: reportReturnType=false, reportArgumentType=false, reportOperatorIssue=false
# (The stubs in use are partial: a variable is no tensor there, and every gradient may be sparse.)
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy.typing as npt
import tensorflow as tf

Array: TypeAlias = tf.Tensor
Masks: TypeAlias = tuple[Array | None, Array | None]


def is_array(x: object) -> bool:
    """Whether ``x`` is a tensor, eager or symbolic, or a variable."""
    return isinstance(x, (tf.Tensor, tf.Variable))


def devices() -> list[str]:
    """The devices that TensorFlow can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(len(tf.config.list_logical_devices("GPU"))))]


def from_numpy(array: npt.NDArray[Any], device: str = "cpu") -> Array:
    """A tensor with the values of ``array``, same shape and dtype."""
    with tf.device(device):
        return tf.constant(array)


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """The values of ``x``."""
    return x.numpy()


def manual_seed(seed: int) -> None:
    """Seed TensorFlow's own generators."""
    tf.random.set_seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop with probability ``dropout``, divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    with tf.device(X.device):
        if dropout == 1:
            return 0 * X  # zeros_like(X) would cut X off from its gradient
        if mask is None:
            mask = tf.random.uniform(tf.shape(X)) >= dropout
        elif not X.shape.is_fully_defined():  # while tracing: a mask must not be broadcast later
            tf.debugging.assert_equal(tf.shape(mask), tf.shape(X), "mask must have the shape of X")
        return tf.cast(mask, X.dtype) * X / (1 - dropout)


def init_params(arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
    """Trainable parameters with the values of ``arrays``."""
    with tf.device(device):
        return [tf.Variable(array) for array in arrays]


def mlp(
    params: list[Array],
    X: Array,
    dropout: tuple[float, float] = (0, 0),
    masks: Masks = (None, None),
) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, dropout after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = tf.nn.relu(X @ W1 + b1)
    H1 = dropout_layer(H1, dropout[0], mask=masks[0])
    H2 = tf.nn.relu(H1 @ W2 + b2)
    H2 = dropout_layer(H2, dropout[1], mask=masks[1])
    return H2 @ W3 + b3


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))


def train_step(
    params: list[Array],
    X: Array,
    y: Array,
    lr: float,
    dropout: tuple[float, float],
    masks: Masks = (None, None),
) -> tuple[list[Array], Array, Array]:
    """One step of SGD: the parameters, updated in place, and the batch's loss and logits."""
    with tf.device(X.device):
        with tf.GradientTape() as tape:
            logits = mlp(params, X, dropout, masks)
            loss = cross_entropy(logits, y)
        grads = tape.gradient(loss, params)
        for param, grad in zip(params, grads, strict=True):
            param.assign_sub(lr * grad)
    return params, loss, logits


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    with tf.device(X.device):
        return mlp(params, X)
