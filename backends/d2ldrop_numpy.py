"""Dropout and the dropout MLP in NumPy: the reference that the other frameworks are compared with.

What is particular to NumPy:

- No automatic differentiation: ``forward`` keeps what ``backward`` needs, and both are written out.
- So a fresh mask is drawn where both can see it; dropout's gradient is dropout with the same mask.
- An operation on a 0-d array returns a scalar: ``out=`` keeps the array, and its subclass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Masks: TypeAlias = tuple[Array | None, Array | None]

# What mask=None draws from. A generator of its own: seeding it leaves NumPy's global one alone.
generator = np.random.default_rng()


def is_array(x: object) -> bool:
    """Whether ``x`` is an array; subclasses are."""
    return isinstance(x, np.ndarray)


def devices() -> list[str]:
    """The devices that NumPy can use."""
    return ["cpu"]


def from_numpy(array: npt.NDArray[Any], device: str = "cpu") -> Array:
    """``array`` itself."""
    return array


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """``x`` itself."""
    return x


def manual_seed(seed: int) -> None:
    """Seed this module's generator."""
    global generator
    generator = np.random.default_rng(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop with probability ``dropout``, divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return np.multiply(0, X, out=np.empty_like(X))
    if mask is None:
        mask = random_mask(X.shape, dropout)
    Y = np.multiply(mask, X, out=np.empty_like(X))
    return np.divide(Y, X.dtype.type(1 - dropout), out=Y)


def random_mask(shape: tuple[int, ...], dropout: float) -> Array:
    """A fresh mask: True, keep, with probability 1 - dropout."""
    return generator.random(shape, dtype=np.float32) >= dropout


def init_params(arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
    """Trainable parameters with the values of ``arrays``: copies, for they are updated in place."""
    return [array.copy() for array in arrays]


def mlp(
    params: list[Array],
    X: Array,
    dropout: tuple[float, float] = (0, 0),
    masks: Masks = (None, None),
) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, dropout after each activation."""
    return forward(params, X, dropout, masks)[-1]


def forward(
    params: list[Array], X: Array, dropout: tuple[float, float], masks: Masks
) -> tuple[Array, Array, Array, Array, Array]:
    """The activations before (H) and after dropout (D), for ``backward``; then the logits."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = np.maximum(X @ W1 + b1, 0)
    D1 = dropout_layer(H1, dropout[0], mask=masks[0])
    H2 = np.maximum(D1 @ W2 + b2, 0)
    D2 = dropout_layer(H2, dropout[1], mask=masks[1])
    return H1, D1, H2, D2, D2 @ W3 + b3


def backward(
    params: list[Array],
    X: Array,
    y: Array,
    activations: tuple[Array, Array, Array, Array, Array],
    dropout: tuple[float, float],
    masks: Masks,
) -> list[Array]:
    """The loss's gradient with respect to each parameter: the chain rule, from the logits down.

    The gradient of dropout is dropout with the same mask; the gradient of ReLU is 1 where H > 0.
    """
    _, _, W2, _, W3, _ = params
    H1, D1, H2, D2, logits = activations
    dO = softmax(logits)
    dO[np.arange(len(y)), y] -= 1
    dO /= len(y)
    dZ2 = dropout_layer(dO @ W3.T, dropout[1], mask=masks[1]) * (H2 > 0)
    dZ1 = dropout_layer(dZ2 @ W2.T, dropout[0], mask=masks[0]) * (H1 > 0)
    return [
        X.T @ dZ1,
        dZ1.sum(axis=0),
        D1.T @ dZ2,
        dZ2.sum(axis=0),
        D2.T @ dO,
        dO.sum(axis=0),
    ]


def softmax(logits: Array) -> Array:
    """Probabilities (n, 10); a row's maximum is taken out first, so that exp cannot overflow."""
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Array = exp / exp.sum(axis=1, keepdims=True)
    return probabilities


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    loss: Array = (log_sum - shifted[np.arange(len(y)), y]).mean()
    return loss


def train_step(
    params: list[Array],
    X: Array,
    y: Array,
    lr: float,
    dropout: tuple[float, float],
    masks: Masks = (None, None),
) -> tuple[list[Array], Array, Array]:
    """One step of SGD: the parameters, updated in place, and the batch's loss and logits."""
    if masks[0] is None:
        _, b1, _, b2, _, _ = params
        masks = (
            random_mask((len(X), len(b1)), dropout[0]),
            random_mask((len(X), len(b2)), dropout[1]),
        )
    activations = forward(params, X, dropout, masks)
    logits = activations[-1]
    loss = cross_entropy(logits, y)
    grads = backward(params, X, y, activations, dropout, masks)
    for param, grad in zip(params, grads, strict=True):
        param -= lr * grad
    return params, loss, logits


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    return mlp(params, X)
