"""Dropout and the dropout MLP in NumPy: the reference that the other frameworks are compared with.

What is particular to NumPy:

- No automatic differentiation: ``forward`` keeps what ``backward`` needs, and both are written out.
- So a fresh mask is drawn where both can see it; dropout's gradient is dropout with the same mask.
- An operation on a 0-d array returns a scalar: ``out=`` keeps the array, and its subclass.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from d2ldrop_numpy_layers import SGD, Dropout, Linear, ReLU, Sequential

from d2ldrop.core.noise import noise_layer
from d2ldrop.core.threads import by_rows

Array: TypeAlias = npt.NDArray[Any]
Masks: TypeAlias = tuple[Array | None, Array | None]
Net: TypeAlias = Sequential
Trainer: TypeAlias = SGD

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
    """Drop with probability ``dropout``, divide the rest by 1 - dropout (D2L 4.6).

    A mask of numbers is scaled already.
    """
    if dropout == 0:
        return X
    if dropout == 1:
        return np.multiply(0, X, out=np.empty_like(X))
    if mask is None:
        mask = random_mask(X.shape, dropout)
    if mask.dtype != bool:
        return np.multiply(mask, X, out=np.empty_like(X))
    Y = np.empty_like(X)
    keep = mask if mask.shape == X.shape else np.broadcast_to(mask, X.shape)
    scale = X.dtype.type(1) / X.dtype.type(1 - dropout)

    def fill(rows: slice | EllipsisType) -> None:
        np.copyto(Y[rows], keep[rows])  # converts a whole array faster than divide does
        np.multiply(Y[rows], scale, out=Y[rows])
        np.multiply(Y[rows], X[rows], out=Y[rows])

    by_rows(fill, X.shape)
    return Y


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
    noise: str = "dropout",
) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    return forward(params, X, dropout, masks, noise)[-1]


def forward(
    params: list[Array], X: Array, dropout: tuple[float, float], masks: Masks, noise: str
) -> tuple[Array, ...]:
    """For ``backward`` each hidden layer H, and D and V, which are H and the weights after it, one
    of them with noise; then the logits."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = relu(linear(X, W1, b1))
    D1, V2 = noise_layer(dropout_layer, H1, W2, dropout[0], masks[0], noise)
    H2 = relu(linear(D1, V2, b2))
    D2, V3 = noise_layer(dropout_layer, H2, W3, dropout[1], masks[1], noise)
    return H1, D1, V2, H2, D2, V3, linear(D2, V3, b3)


def linear(X: Array, W: Array, b: Array) -> Array:
    """X @ W + b, in one array."""
    Y: Array = X @ W
    Y += b
    return Y


def relu(Z: Array) -> Array:
    """max(Z, 0), in place."""
    return np.maximum(Z, np.zeros_like(Z), out=Z)  # of two arrays: three times as fast as with 0


def backward(
    X: Array,
    activations: tuple[Array, ...],
    dO: Array,
    dropout: tuple[float, float],
    masks: Masks,
    noise: str,
) -> list[Array]:
    """The gradient with respect to each parameter, from dO, that with respect to the logits: the
    chain rule, from the logits down.

    Noise that multiplies is its own gradient, with the same mask; noise that is added has none. The
    gradient of ReLU is 1 where H > 0.
    """
    H1, D1, V2, H2, D2, V3, _ = activations
    if noise == "additive":
        masks = (None, None)
    dH2, dW3 = noise_layer(dropout_layer, dO @ V3.T, D2.T @ dO, dropout[1], masks[1], noise)
    dZ2 = np.multiply(dH2, H2 > 0, out=dH2)
    dH1, dW2 = noise_layer(dropout_layer, dZ2 @ V2.T, D1.T @ dZ2, dropout[0], masks[0], noise)
    dZ1 = np.multiply(dH1, H1 > 0, out=dH1)
    return [X.T @ dZ1, dZ1.sum(axis=0), dW2, dZ2.sum(axis=0), dW3, dO.sum(axis=0)]


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    loss, _ = cross_entropy_and_gradient(logits, y)
    return loss


def cross_entropy_and_gradient(logits: Array, y: Array) -> tuple[Array, Array]:
    """``cross_entropy``, and its gradient with respect to the logits."""
    # A row's maximum is taken out first, so that exp cannot overflow.
    shifted = logits - logits.max(axis=1, keepdims=True)
    exp = np.exp(shifted)
    total = exp.sum(axis=1, keepdims=True)
    correct = np.arange(len(y)), y
    loss: Array = (np.log(total[:, 0]) - shifted[correct]).mean()
    dO = exp / total  # the softmax
    dO[correct] -= 1
    dO /= len(y)
    return loss, dO


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
    if noise == "dropout":  # the backward pass needs the masks of the forward pass
        _, b1, _, b2, _, _ = params
        first, second = masks
        if first is None and 0 < dropout[0] < 1:
            first = random_mask((len(X), len(b1)), dropout[0])
        if second is None and 0 < dropout[1] < 1:
            second = random_mask((len(X), len(b2)), dropout[1])
        masks = first, second
    activations = forward(params, X, dropout, masks, noise)
    logits = activations[-1]
    loss, dO = cross_entropy_and_gradient(logits, y)
    steps = backward(X, activations, lr * dO, dropout, masks, noise)  # lr times the gradients
    for param, step in zip(params, steps, strict=True):
        if weight_decay and len(param.shape) == 2:  # a matrix of weights, not a bias
            step += lr * weight_decay * param
        param -= step
    return params, loss, logits


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Shorten each unit's incoming weights, a column of W, to a norm of at most ``max_norm``."""
    for W in params[::2]:
        W /= np.maximum(np.linalg.norm(W, axis=0) / max_norm, 1)
    return params


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    return mlp(params, X)


def concise_mlp(
    arrays: Sequence[npt.NDArray[Any]],
    dropout: tuple[float, float],
    lr: float,
    noise: str = "dropout",
    device: str = "cpu",
) -> tuple[Net, Trainer]:
    """The network of ``d2ldrop_numpy_layers``, weights as in ``arrays``, and its optimiser."""
    W1, b1, W2, b2, W3, b3 = init_params(arrays)
    net = Sequential(
        Linear(W1, b1),
        ReLU(),
        Dropout(dropout[0], generator),
        Linear(W2, b2),
        ReLU(),
        Dropout(dropout[1], generator),
        Linear(W3, b3),
    )
    return net, SGD(net, lr)


def concise_step(net: Net, trainer: Trainer, X: Array, y: Array) -> tuple[Array, Array]:
    """One step of the optimiser; the batch's loss and logits."""
    logits = net.forward(X, training=True)
    loss, dO = cross_entropy_and_gradient(logits, y)
    net.backward(dO)
    trainer.step()
    return loss, logits


def concise_predict(net: Net, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    return net.forward(X)


def concise_params(net: Net) -> list[npt.NDArray[Any]]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return net.params()
