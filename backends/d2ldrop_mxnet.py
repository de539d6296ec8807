"""Dropout and the dropout MLP in MXNet, with its NumPy-like arrays, ``mx.np``.

What is particular to MXNet:

- Retired in 2023. Version 1.9.1 needs NumPy 1.x and ``np.bool`` at its import.
- Without ``use_np`` a shape () or (0, 3) means "unknown"; the decorator sets that right for a call.
- Operations are queued: a result is there when its values are read.
"""

# pyright: reportAttributeAccessIssue=false, reportReturnType=false, reportOptionalMemberAccess=false
# pyright: reportOperatorIssue=false
# (mxnet has no types: it makes most of its functions while it is imported.)
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy.typing as npt

from d2ldrop._imports import mxnet_import

with mxnet_import():
    import mxnet as mx
    from mxnet import autograd, gluon, npx
    from mxnet.util import use_np

Array: TypeAlias = mx.np.ndarray
Masks: TypeAlias = tuple[Array | None, Array | None]


def is_array(x: object) -> bool:
    """Whether ``x`` is an array of ``mx.np``."""
    return isinstance(x, mx.np.ndarray)


def devices() -> list[str]:
    """The devices that MXNet can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(mx.context.num_gpus()))]


@use_np
def from_numpy(array: npt.NDArray[Any], device: str = "cpu") -> Array:
    """An array with the values of ``array``, same shape and dtype."""
    kind, _, index = device.partition(":")
    return mx.np.array(array, dtype=array.dtype, ctx=mx.Context(kind, int(index or 0)))


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """The values of ``x``."""
    return x.asnumpy()


def manual_seed(seed: int) -> None:
    """Seed MXNet's own generators."""
    mx.random.seed(seed)


@use_np
def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop with probability ``dropout``, divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros that X's gradient, zero too, flows through
    if mask is None:
        mask = mx.np.random.uniform(size=X.shape, ctx=X.ctx) >= dropout
    return mask.as_in_ctx(X.ctx).astype(X.dtype) * X / (1 - dropout)


@use_np
def init_params(arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
    """Trainable parameters with the values of ``arrays``."""
    params = [from_numpy(array, device) for array in arrays]
    for param in params:
        param.attach_grad()
    return params


@use_np
def mlp(
    params: list[Array],
    X: Array,
    dropout: tuple[float, float] = (0, 0),
    masks: Masks = (None, None),
) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, dropout after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = npx.relu(mx.np.dot(X, W1) + b1)
    H1 = dropout_layer(H1, dropout[0], mask=masks[0])
    H2 = npx.relu(mx.np.dot(H1, W2) + b2)
    H2 = dropout_layer(H2, dropout[1], mask=masks[1])
    return mx.np.dot(H2, W3) + b3


@use_np
def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    return gluon.loss.SoftmaxCrossEntropyLoss()(logits, y).mean()


@use_np
def train_step(
    params: list[Array],
    X: Array,
    y: Array,
    lr: float,
    dropout: tuple[float, float],
    masks: Masks = (None, None),
) -> tuple[list[Array], Array, Array]:
    """One step of SGD: the parameters, updated in place, and the batch's loss and logits."""
    with autograd.record():
        logits = mlp(params, X, dropout, masks)
        loss = cross_entropy(logits, y)
    loss.backward()
    for param in params:
        param -= lr * param.grad
    return params, loss.detach(), logits.detach()


@use_np
def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    return mlp(params, X)
