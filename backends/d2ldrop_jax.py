"""Dropout and the dropout MLP in JAX.

What is particular to JAX:

- Arrays never change: ``train_step`` returns new parameters.
- Functions are differentiated and compiled as a whole: ``value_and_grad`` takes the loss function.
- Random numbers come from keys. This module keeps one, and splits it for each fresh mask.
- Without the setting ``jax_enable_x64`` JAX has no float64, and integers have 32 bits.
"""

import secrets
import threading
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from d2ldrop.core.arrays import Arrays, NumPyArray, Rates
from d2ldrop.core.noise import NO_NOISE, Noise, noise_layer

Array: TypeAlias = jax.Array

generator = jax.random.key(secrets.randbits(31))  # the key of the fresh masks
lock = threading.Lock()


def is_array(x: object) -> bool:
    """Whether ``x`` is an array, or stands for one in a function that JAX traces."""
    return isinstance(x, jax.Array)


def devices() -> list[str]:
    """The devices that JAX can use here."""
    return ["cpu", *(f"gpu:{i}" for i, one in enumerate(jax.devices()) if one.platform == "gpu")]


def from_numpy(array: NumPyArray, device: str = "cpu") -> Array:
    """An array with the values and shape of ``array``; its dtype too, except 64-bit integers."""
    if array.dtype == np.float64 and not jax.config.jax_enable_x64:
        raise TypeError(
            "JAX would make float32 of a float64 array: set JAX_ENABLE_X64=1 before JAX is "
            'imported, or call jax.config.update("jax_enable_x64", True); float32 needs neither'
        )
    kind, _, index = device.partition(":")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return jax.device_put(native, jax.devices(kind)[int(index or 0)])


def to_numpy(x: Array) -> NumPyArray:
    """The values of ``x``."""
    return np.asarray(x)


def manual_seed(seed: int) -> None:
    """Set the key that fresh masks come from."""
    global generator
    with lock:
        generator = jax.random.fold_in(jax.random.key(seed % 2**32), seed // 2**32)


def next_key() -> Array:
    """A new key, split from this module's key."""
    global generator
    with lock:
        remaining, key = jax.random.split(generator)
        if isinstance(key, jax.core.Tracer):  # a compiled function would use this key in each call
            raise TypeError(
                "a function that JAX traces cannot draw a fresh mask: every call would use the "
                "same one. Give dropout_layer a seed and a step, or a mask, for example "
                "mask=jax.random.bernoulli(key, 1 - dropout, X.shape) with a key that is an "
                "argument of the function"
            )
        generator = remaining
    return key


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop each element with probability dropout and divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros, through which gradients still flow
    if mask is None:
        mask = uniform(next_key(), jax.lax.stop_gradient(X)) >= dropout
    if X.dtype.itemsize < 4:  # half precision would round 1 - dropout
        return dropout_layer(X.astype(jnp.float32), dropout, mask=mask).astype(X.dtype)
    return mask * X / (1 - dropout)


@jax.custom_batching.custom_vmap
def uniform(key: Array, X: Array) -> Array:
    """Uniform numbers of the shape of ``X``; under ``vmap`` each example gets numbers of its own."""
    return jax.random.uniform(key, X.shape, jnp.float32)


@uniform.def_vmap
def _(axis_size: int, in_batched: list[bool], key: Array, X: Array) -> tuple[Array, bool]:
    return uniform(key, X), True


def init_params(arrays: Arrays, device: str = "cpu") -> list[Array]:
    """Trainable copies of ``arrays``."""
    return [from_numpy(array.copy(), device) for array in arrays]


def mlp(params: list[Array], X: Array, noise: Noise = NO_NOISE) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = jax.nn.relu(X @ W1 + b1)
    H1, W2 = noise_layer(dropout_layer, H1, W2, noise[0])
    H2 = jax.nn.relu(H1 @ W2 + b2)
    H2, W3 = noise_layer(dropout_layer, H2, W3, noise[1])
    return H2 @ W3 + b3


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def train_step(
    params: list[Array], X: Array, y: Array, lr: float, noise: Noise, weight_decay: float = 0
) -> tuple[list[Array], Array, Array]:
    """Take one SGD step; return new params, and loss and logits of the batch."""

    def loss_and_logits(params: list[Array]) -> tuple[Array, Array]:
        logits = mlp(params, X, noise)
        return cross_entropy(logits, y), logits

    (loss, logits), grads = jax.value_and_grad(loss_and_logits, has_aux=True)(params)
    new = []
    for param, grad in zip(params, grads, strict=True):
        if weight_decay and param.ndim == 2:  # a matrix of weights, not a bias
            grad = grad + weight_decay * param
        new.append(param - lr * grad)
    return new, loss, logits


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Limit the norm of each unit's incoming weights, a column of W, to ``max_norm``."""
    return [
        W / jnp.maximum(jnp.linalg.norm(W, axis=0) / max_norm, 1) if W.ndim == 2 else W
        for W in params
    ]


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without noise."""
    return mlp(params, X)


def concise_mlp(
    arrays: Arrays, dropout: Rates, lr: float, noise: str = "dropout", device: str = "cpu"
) -> tuple[nnx.Sequential, nnx.Optimizer]:
    """A network of Flax's own layers with the weights ``arrays``, and its optimiser."""
    W1, b1, W2, b2, W3, b3 = init_params(arrays, device)
    rngs = nnx.Rngs(next_key())
    net = nnx.Sequential(
        nnx.Linear(*W1.shape, rngs=rngs),
        nnx.relu,
        nnx.Dropout(dropout[0], rngs=rngs),
        nnx.Linear(*W2.shape, rngs=rngs),
        nnx.relu,
        nnx.Dropout(dropout[1], rngs=rngs),
        nnx.Linear(*W3.shape, rngs=rngs),
    )
    for layer, W, b in zip(net.layers[::3], (W1, W2, W3), (b1, b2, b3), strict=True):
        layer.kernel.value, layer.bias.value = W, b
    return net, nnx.Optimizer(net, optax.sgd(lr), wrt=nnx.Param)


@nnx.jit
def concise_step(
    net: nnx.Sequential, trainer: nnx.Optimizer, X: Array, y: Array
) -> tuple[Array, Array]:
    """Take one step of the optimiser; return loss and logits of the batch."""

    def loss_and_logits(net: nnx.Sequential) -> tuple[Array, Array]:
        logits = net(X)
        return cross_entropy(logits, y), logits

    net.train()
    (loss, logits), grads = nnx.value_and_grad(loss_and_logits, has_aux=True)(net)
    trainer.update(net, grads)
    return loss, logits


def concise_predict(net: nnx.Sequential, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    net.eval()
    return net(X)


def concise_params(net: nnx.Sequential) -> list[NumPyArray]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    pairs = [(layer.kernel, layer.bias) for layer in net.layers[::3]]
    return [to_numpy(param.value) for pair in pairs for param in pair]
