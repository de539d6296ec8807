"""Dropout and the dropout MLP in TensorFlow.

What is particular to TensorFlow:

- A tape records what is to be differentiated; variables are watched by themselves.
- Traced into a graph by ``tf.function``, a step takes half the time that it takes eagerly.
- An operation runs on the GPU, where there is one, unless a device scope says otherwise.
- ``*`` of a boolean and a float is a logical and: the mask is cast first.
"""

# pyright: reportReturnType=false, reportArgumentType=false, reportOperatorIssue=false
# (The stubs in use are partial: a variable is no tensor there, and every gradient may be sparse.)
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, TypeAlias

import numpy.typing as npt
import tensorflow as tf

from d2ldrop.core.arrays import ALIGNMENT
from d2ldrop.core.noise import noise_layer

Array: TypeAlias = tf.Tensor
Masks: TypeAlias = tuple[Array | None, Array | None]
Net: TypeAlias = tf.keras.Model
Trainer: TypeAlias = tf.keras.optimizers.Optimizer
Settings: TypeAlias = tuple[float, tuple[float, float], str, float]


def is_array(x: object) -> bool:
    """Whether ``x`` is a tensor, eager or symbolic, or a variable."""
    return isinstance(x, (tf.Tensor, tf.Variable))


def devices() -> list[str]:
    """The devices that TensorFlow can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(len(tf.config.list_logical_devices("GPU"))))]


def from_numpy(array: npt.NDArray[Any], device: str = "cpu") -> Array:
    """A tensor with the values of ``array``, same shape and dtype."""
    # TensorFlow can share the memory of an array on its alignment, and aborts without it.
    if device == "cpu" and array.flags.carray and array.ctypes.data % ALIGNMENT == 0:
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    with tf.device(device):
        return tf.constant(array)


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """The values of ``x``."""
    return x.numpy()


def manual_seed(seed: int) -> None:
    """Seed TensorFlow's own generators."""
    tf.random.set_seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop with probability ``dropout``, divide the rest by 1 - dropout (D2L 4.6).

    A mask of numbers is scaled already.
    """
    if dropout == 0:
        return X
    with tf.device(X.device):
        if dropout == 1:
            return 0 * X  # zeros_like(X) would cut X off from its gradient
        if mask is None:
            mask = tf.random.uniform(tf.shape(X)) >= dropout
        elif not X.shape.is_fully_defined():  # while tracing: a mask must not be broadcast later
            tf.debugging.assert_equal(tf.shape(mask), tf.shape(X), "mask must have the shape of X")
        if mask.dtype == tf.bool:
            mask = tf.cast(mask, X.dtype) / (1 - dropout)
        return mask * X


def init_params(arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
    """Trainable parameters with the values of ``arrays``."""
    with tf.device(device):
        return [tf.Variable(array) for array in arrays]


def mlp(
    params: list[Array],
    X: Array,
    dropout: tuple[float, float] = (0, 0),
    masks: Masks = (None, None),
    noise: str = "dropout",
) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = tf.nn.relu(X @ W1 + b1)
    H1, W2 = noise_layer(dropout_layer, H1, W2, dropout[0], masks[0], noise)
    H2 = tf.nn.relu(H1 @ W2 + b2)
    H2, W3 = noise_layer(dropout_layer, H2, W3, dropout[1], masks[1], noise)
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
    noise: str = "dropout",
    weight_decay: float = 0,
) -> tuple[list[Array], Array, Array]:
    """One step of SGD: the parameters, updated in place, and the batch's loss and logits."""
    # A graph would draw masks from the seed that was set when it was traced.
    draws = any(mask is None and 0 < p < 1 for mask, p in zip(masks, dropout, strict=True))
    settings = (lr, dropout, noise, weight_decay)
    step = partial(sgd_step, settings) if draws else traced_sgd_step(settings)
    with tf.device(X.device):
        loss, logits = step(params, X, y, masks)
    return params, loss, logits


@cache
def traced_sgd_step(settings: Settings) -> Callable[..., tuple[Array, Array]]:
    """``sgd_step`` as a graph of its own: what is settled is not looked at again in every step."""
    return tf.function(partial(sgd_step, settings))


def train_steps(
    params: list[Array],
    X: Array,
    y: Array,
    lr: float,
    dropout: tuple[float, float],
    masks: Masks,
    noise: str = "dropout",
    weight_decay: float = 0,
) -> tuple[list[Array], Array, Array]:
    """``train_step`` after ``train_step``, compiled: the first axis of X, y and masks is theirs."""
    with tf.device(X.device):
        losses, logits = compiled_sgd_steps((lr, dropout, noise, weight_decay))(params, X, y, masks)
    return params, losses, logits


@cache
def compiled_sgd_steps(settings: Settings) -> Callable[..., tuple[Array, Array]]:
    """A loop of ``sgd_step`` compiled by XLA, which fuses what is done element by element."""

    @tf.function(jit_compile=True)
    def steps(params: list[Array], X: Array, y: Array, masks: Masks) -> tuple[Array, Array]:
        def step(i: Array) -> tuple[Array, Array]:
            first, second = (None if mask is None else mask[i] for mask in masks)
            return sgd_step(settings, params, X[i], y[i], (first, second))

        return tf.map_fn(
            step,
            tf.range(tf.shape(X)[0]),
            parallel_iterations=1,
            fn_output_signature=(X.dtype, X.dtype),
        )

    return steps


def sgd_step(
    settings: Settings, params: list[Array], X: Array, y: Array, masks: Masks
) -> tuple[Array, Array]:
    """What ``train_step`` traces: the update in place, the batch's loss and logits."""
    lr, dropout, noise, weight_decay = settings
    with tf.GradientTape() as tape:
        logits = mlp(params, X, dropout, masks, noise)
        loss = cross_entropy(logits, y)
        objective = lr * loss
    steps = tape.gradient(objective, params)  # lr times the gradients
    for param, step in zip(params, steps, strict=True):
        if weight_decay and len(param.shape) == 2:  # a matrix of weights, not a bias
            step = step + lr * weight_decay * param
        param.assign_sub(step)
    return loss, logits


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Shorten each unit's incoming weights, a column of W, to a norm of at most ``max_norm``."""
    for W in params[::2]:
        with tf.device(W.device):
            W.assign(W / tf.maximum(tf.norm(W, axis=0) / max_norm, 1))
    return params


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    with tf.device(X.device):
        return mlp(params, X)


def concise_mlp(
    arrays: Sequence[npt.NDArray[Any]],
    dropout: tuple[float, float],
    lr: float,
    noise: str = "dropout",
    device: str = "cpu",
) -> tuple[Net, Trainer]:
    """The network of Keras's own layers, weights as in ``arrays``, and its optimiser."""
    W1, b1, _, b2, _, b3 = arrays
    dtype, layers = str(W1.dtype), tf.keras.layers

    def noise_after(p: float) -> Any:
        # Keras would take the seed from Python's generator.
        options = {"dtype": dtype, "seed": int(tf.random.uniform((), 0, 2**31 - 1, tf.int32))}
        if noise == "gaussian":
            return layers.GaussianDropout(p, **options)
        if noise == "additive":
            return layers.GaussianNoise((p / (1 - p)) ** 0.5, **options)
        return layers.Dropout(p, (1, None) if noise == "unit" else None, **options)

    with tf.device(device):
        net = tf.keras.Sequential(
            [
                layers.Input((len(W1),), dtype=dtype),
                layers.Dense(len(b1), activation="relu", dtype=dtype),
                noise_after(dropout[0]),
                layers.Dense(len(b2), activation="relu", dtype=dtype),
                noise_after(dropout[1]),
                layers.Dense(len(b3), dtype=dtype),
            ]
        )
        net.set_weights(arrays)
        # A plain number would be rounded to float32.
        return net, tf.keras.optimizers.SGD(lambda: tf.constant(lr, dtype))


def concise_step(net: Net, trainer: Trainer, X: Array, y: Array) -> tuple[Array, Array]:
    """One step of the optimiser; the batch's loss and logits."""
    with tf.device(X.device):
        with tf.GradientTape() as tape:
            logits = net(X, training=True)
            loss = tf.keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
            loss = tf.reduce_mean(loss)
        grads = tape.gradient(loss, net.trainable_variables)
        trainer.apply(grads, net.trainable_variables)
    return loss, logits


def concise_predict(net: Net, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    with tf.device(X.device):
        return net(X, training=False)


def concise_params(net: Net) -> list[npt.NDArray[Any]]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return net.get_weights()
