"""Dropout and the dropout MLP in PaddlePaddle.

What is particular to PaddlePaddle:

- A tensor is trainable when its ``stop_gradient`` is False; by default it is True.
- ``*`` of a boolean and a float is an error: the mask is cast first.
- On the CPU float16 has no product: dropout takes it through float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy.typing as npt
import paddle
from paddle.nn import functional as F

Array: TypeAlias = paddle.Tensor
Masks: TypeAlias = tuple[Array | None, Array | None]


def is_array(x: object) -> bool:
    """Whether ``x`` is a tensor; parameters are."""
    return isinstance(x, paddle.Tensor)


def devices() -> list[str]:
    """The devices that PaddlePaddle can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(paddle.device.cuda.device_count()))]


def from_numpy(array: npt.NDArray[Any], device: str = "cpu") -> Array:
    """A tensor with the values of ``array``, same shape and dtype."""
    return paddle.to_tensor(array, place=device)


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """The values of ``x``."""
    return x.numpy()


def manual_seed(seed: int) -> None:
    """Seed PaddlePaddle's own generators."""
    paddle.seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop with probability ``dropout``, divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros_like(X) would cut X off from its gradient
    if mask is None:
        mask = paddle.rand(X.shape, dtype="float32") >= dropout
    if X.dtype == paddle.float16:
        return dropout_layer(X.astype("float32"), dropout, mask=mask).astype("float16")
    return mask.to(X.place).astype(X.dtype) * X / (1 - dropout)


def init_params(arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
    """Trainable parameters with the values of ``arrays``."""
    return [paddle.to_tensor(array, place=device, stop_gradient=False) for array in arrays]


def mlp(
    params: list[Array],
    X: Array,
    dropout: tuple[float, float] = (0, 0),
    masks: Masks = (None, None),
) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, dropout after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = F.relu(X @ W1 + b1)
    H1 = dropout_layer(H1, dropout[0], mask=masks[0])
    H2 = F.relu(H1 @ W2 + b2)
    H2 = dropout_layer(H2, dropout[1], mask=masks[1])
    return H2 @ W3 + b3


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    return F.cross_entropy(logits, y)


def train_step(
    params: list[Array],
    X: Array,
    y: Array,
    lr: float,
    dropout: tuple[float, float],
    masks: Masks = (None, None),
) -> tuple[list[Array], Array, Array]:
    """One step of SGD: the parameters, updated in place, and the batch's loss and logits."""
    logits = mlp(params, X, dropout, masks)
    loss = cross_entropy(logits, y)
    grads = paddle.grad(loss, params)
    with paddle.no_grad():
        for param, grad in zip(params, grads, strict=True):
            param.subtract_(lr * grad)
    return params, loss.detach(), logits.detach()


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    with paddle.no_grad():
        return mlp(params, X)
