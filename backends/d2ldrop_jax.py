"""Dropout and the dropout MLP in JAX.

What is particular to JAX:

- Arrays never change: ``train_step`` returns new parameters.
- Python runs a compiled function only once, so its fresh masks are drawn before the call.
- Without the setting ``jax_enable_x64`` JAX has no float64, and integers have 32 bits.
"""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped]
from d2ldrop_jax_dtypes import native
from d2ldrop_jax_keys import keys, uniform
from d2ldrop_jax_steps import compiled
from flax import nnx
from jax.numpy.linalg import norm

from d2ldrop.core.arrays import Arrays, NumPyArray, Rates
from d2ldrop.core.noise import NO_NOISE, Noise, noise_layer

Array: TypeAlias = jax.Array


def is_array(x: object) -> bool:
    """Whether ``x`` is an array, or stands for one in a function that JAX traces."""
    return isinstance(x, jax.Array)


def devices() -> list[str]:
    """The devices that JAX can use here."""
    return ["cpu", *(f"gpu:{i}" for i, one in enumerate(jax.devices()) if one.platform == "gpu")]


def from_numpy(array: NumPyArray, device: str = "cpu") -> Array:
    """An array with the values and shape of ``array``; its dtype too, except 64-bit integers."""
    kind, _, index = device.partition(":")
    return jax.device_put(native(array), jax.devices(kind)[int(index or 0)])


def to_numpy(x: Array) -> NumPyArray:
    """The values of ``x``."""
    return np.asarray(x)


def manual_seed(seed: int) -> None:
    """Set the key that fresh masks come from."""
    keys.seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop each element with probability dropout and divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros, through which gradients still flow
    if mask is None:
        mask = uniform(X) >= dropout
    if X.dtype.itemsize < 4:  # half precision would round 1 - dropout
        return dropout_layer(X.astype(jnp.float32), dropout, mask=mask).astype(X.dtype)
    return mask * X / (1 - dropout)


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


@compiled
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
    return [W / jnp.maximum(norm(W, axis=0) / max_norm, 1) if W.ndim == 2 else W for W in params]


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without noise."""
    return mlp(params, X)


def concise_mlp(
    arrays: Arrays, dropout: Rates, lr: float, noise: str = "dropout", device: str = "cpu"
) -> tuple[Any, nnx.Optimizer[Any]]:
    """A network of Flax's own layers with the weights ``arrays``, and its optimiser."""
    W1, b1, W2, b2, W3, b3 = init_params(arrays, device)
    rngs = nnx.Rngs(keys.next())
    net: Any = nnx.Sequential(
        nnx.Linear(*W1.shape, param_dtype=W1.dtype, rngs=rngs),
        nnx.relu,
        nnx.Dropout(dropout[0], rngs=rngs),
        nnx.Linear(*W2.shape, param_dtype=W2.dtype, rngs=rngs),
        nnx.relu,
        nnx.Dropout(dropout[1], rngs=rngs),
        nnx.Linear(*W3.shape, param_dtype=W3.dtype, rngs=rngs),
    )
    for layer, W, b in zip(net.layers[::3], (W1, W2, W3), (b1, b2, b3), strict=True):
        layer.kernel, layer.bias = nnx.Param(W), nnx.Param(b)
    return net, nnx.Optimizer(net, optax.sgd(lr), wrt=nnx.Param)


@nnx.jit
def concise_step(net: Any, trainer: nnx.Optimizer[Any], X: Array, y: Array) -> tuple[Array, Array]:
    """Take one step of the optimiser; return loss and logits of the batch."""

    def loss_and_logits(net: Any) -> tuple[Array, Array]:
        logits = net(X)
        return cross_entropy(logits, y), logits

    net.train()
    (loss, logits), grads = nnx.value_and_grad(loss_and_logits, has_aux=True)(net)
    trainer.update(net, grads)
    return loss, logits


def concise_predict(net: Any, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    net.eval()
    return net(X)


def concise_params(net: Any) -> list[NumPyArray]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return [to_numpy(p[...]) for layer in net.layers[::3] for p in (layer.kernel, layer.bias)]
