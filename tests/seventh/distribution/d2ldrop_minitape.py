"""Dropout and the dropout MLP in MiniTape.

What is particular to MiniTape:

- Arrays record how they were computed; ``gradients`` goes back through the record.
- An array is a wrapper around a NumPy array, and shares its memory.
- Without the environment variable MINITAPE_FLOAT64=1 MiniTape has no float64.
"""

from collections.abc import Sequence
from typing import Any

import minitape
import numpy as np
import numpy.typing as npt
from minitape import Array
from minitape.layers import SGD, Dropout, Linear, Sequential

from d2ldrop import NO_NOISE, Noise, noise_layer

NumPyArray = npt.NDArray[Any]


def is_array(x: object) -> bool:
    """Whether ``x`` is an array of MiniTape."""
    return isinstance(x, Array)


def devices() -> list[str]:
    """The devices that MiniTape can use."""
    return ["cpu"]


def from_numpy(array: NumPyArray, device: str = "cpu") -> Array:
    """An array that shares the memory of ``array``."""
    if array.dtype == np.float64 and not minitape.FLOAT64:
        raise TypeError(
            "MiniTape would make float32 of a float64 array: set MINITAPE_FLOAT64=1 before "
            "minitape is imported"
        )
    return Array(array)


def to_numpy(x: Array) -> NumPyArray:
    """The values of ``x``, in the same memory."""
    return x.values


def manual_seed(seed: int) -> None:
    """Seed MiniTape's generator."""
    minitape.seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop each element with probability dropout and divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros, through which gradients still flow
    if mask is None:
        mask = Array(minitape.uniform(X.shape).values >= dropout)
    return mask * X / (1 - dropout)


def init_params(arrays: Sequence[NumPyArray], device: str = "cpu") -> list[Array]:
    """Trainable copies of ``arrays``."""
    return [Array(from_numpy(array, device).values.copy(), trainable=True) for array in arrays]


def mlp(params: list[Array], X: Array, noise: Noise = NO_NOISE) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = minitape.relu(X @ W1 + b1)
    H1, W2 = noise_layer(dropout_layer, H1, W2, noise[0])
    H2 = minitape.relu(H1 @ W2 + b2)
    H2, W3 = noise_layer(dropout_layer, H2, W3, noise[1])
    return H2 @ W3 + b3


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    return minitape.cross_entropy(logits, y)


def train_step(
    params: list[Array], X: Array, y: Array, lr: float, noise: Noise, weight_decay: float = 0
) -> tuple[list[Array], Array, Array]:
    """Take one SGD step; return new params, and loss and logits of the batch."""
    logits = mlp(params, X, noise)
    loss = cross_entropy(logits, y)
    new = []
    for param, grad in zip(params, minitape.gradients(loss, params), strict=True):
        if weight_decay and param.values.ndim == 2:  # a matrix of weights, not a bias
            grad = grad + weight_decay * Array(param.values)
        new.append(Array(param.values - lr * grad.values, trainable=True))
    return new, loss, logits


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Limit the norm of each unit's incoming weights, a column of W, to ``max_norm``."""
    new = []
    for param in params:
        W = param.values
        if W.ndim == 2:
            W = W / np.maximum(np.linalg.norm(W, axis=0) / max_norm, 1)
        new.append(Array(W, trainable=True))
    return new


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without noise."""
    return mlp([Array(param.values) for param in params], X)


def concise_mlp(
    arrays: Sequence[NumPyArray],
    dropout: tuple[float, float],
    lr: float,
    noise: str = "dropout",
    device: str = "cpu",
) -> tuple[Sequential, SGD]:
    """A network of MiniTape's own layers with the weights ``arrays``, and its optimiser."""
    W1, b1, W2, b2, W3, b3 = (array.copy() for array in arrays)
    net = Sequential(
        Linear(W1.T, b1),  # Linear stores W transposed
        minitape.relu,
        Dropout(dropout[0]),
        Linear(W2.T, b2),
        minitape.relu,
        Dropout(dropout[1]),
        Linear(W3.T, b3),
    )
    return net, SGD(net.params(), lr)


def concise_step(net: Sequential, trainer: SGD, X: Array, y: Array) -> tuple[Array, Array]:
    """Take one step of the optimiser; return loss and logits of the batch."""
    net.train(True)
    logits = net(X)
    loss = minitape.cross_entropy(logits, y)
    trainer.step(loss)
    return loss, logits


def concise_predict(net: Sequential, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    net.train(False)
    return net(X)


def concise_params(net: Sequential) -> list[NumPyArray]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return [param.values.T for param in net.params()]
