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
from paddle import nn
from paddle.nn import functional as F
from paddle.utils.dlpack import from_dlpack

from d2ldrop.core.noise import noise_layer

Array: TypeAlias = paddle.Tensor
Masks: TypeAlias = tuple[Array | None, Array | None]
Net: TypeAlias = nn.Layer
Trainer: TypeAlias = paddle.optimizer.Optimizer


def is_array(x: object) -> bool:
    """Whether ``x`` is a tensor; parameters are."""
    return isinstance(x, paddle.Tensor)


def devices() -> list[str]:
    """The devices that PaddlePaddle can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(paddle.device.cuda.device_count()))]


def from_numpy(array: npt.NDArray[Any], device: str = "cpu") -> Array:
    """A tensor with the values of ``array``, same shape and dtype."""
    if device == "cpu" and array.flags.carray:  # share the memory
        return from_dlpack(array.__dlpack__())
    return paddle.to_tensor(array, place=device)


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """The values of ``x``."""
    return x.numpy()


def manual_seed(seed: int) -> None:
    """Seed PaddlePaddle's own generators."""
    paddle.seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop with probability ``dropout``, divide the rest by 1 - dropout (D2L 4.6).

    A mask of numbers is scaled already.
    """
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros_like(X) would cut X off from its gradient
    if mask is None:
        mask = paddle.rand(X.shape, dtype="float32") >= dropout
    if X.dtype == paddle.float16:
        return dropout_layer(X.astype("float32"), dropout, mask=mask).astype("float16")
    if mask.dtype == paddle.bool:
        mask = mask.astype(X.dtype) / (1 - dropout)
    return mask.to(X.place) * X


def init_params(arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
    """Trainable parameters with the values of ``arrays``."""
    return [paddle.to_tensor(array, place=device, stop_gradient=False) for array in arrays]


def mlp(
    params: list[Array],
    X: Array,
    dropout: tuple[float, float] = (0, 0),
    masks: Masks = (None, None),
    noise: str = "dropout",
) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    # X @ W + b in one operation: + and its gradient take a bias over slowly.
    H1 = F.relu(paddle.addmm(b1, X, W1))
    H1, W2 = noise_layer(dropout_layer, H1, W2, dropout[0], masks[0], noise)
    H2 = F.relu(paddle.addmm(b2, H1, W2))
    H2, W3 = noise_layer(dropout_layer, H2, W3, dropout[1], masks[1], noise)
    return paddle.addmm(b3, H2, W3)


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
    noise: str = "dropout",
    weight_decay: float = 0,
) -> tuple[list[Array], Array, Array]:
    """One step of SGD: the parameters, updated in place, and the batch's loss and logits."""
    logits = mlp(params, X, dropout, masks, noise)
    loss = cross_entropy(logits, y)
    steps = paddle.grad(lr * loss, params)  # lr times the gradients
    with paddle.no_grad():
        for param, step in zip(params, steps, strict=True):
            if weight_decay and len(param.shape) == 2:  # a matrix of weights, not a bias
                step = step + lr * weight_decay * param
            param.subtract_(step)
    return params, loss.detach(), logits.detach()


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Shorten each unit's incoming weights, a column of W, to a norm of at most ``max_norm``."""
    with paddle.no_grad():
        for W in params[::2]:
            W.divide_(paddle.clip(paddle.linalg.norm(W, axis=0) / max_norm, min=1))
    return params


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    with paddle.no_grad():
        return mlp(params, X)


def concise_mlp(
    arrays: Sequence[npt.NDArray[Any]],
    dropout: tuple[float, float],
    lr: float,
    noise: str = "dropout",
    device: str = "cpu",
) -> tuple[Net, Trainer]:
    """The network of Paddle's own layers, weights as in ``arrays``, and its optimiser."""
    W1, b1, W2, b2, W3, b3 = arrays
    axis = 1 if noise == "unit" else None  # a mask has this axis alone
    net = nn.Sequential(
        nn.Linear(len(W1), len(b1)),
        nn.ReLU(),
        nn.Dropout(dropout[0], axis=axis),
        nn.Linear(len(W2), len(b2)),
        nn.ReLU(),
        nn.Dropout(dropout[1], axis=axis),
        nn.Linear(len(W3), len(b3)),
    )
    net.to(device, from_numpy(W1).dtype)
    for param, array in zip(net.parameters(), arrays, strict=True):
        param.set_value(array)
    return net, paddle.optimizer.SGD(lr, net.parameters())


def concise_step(net: Net, trainer: Trainer, X: Array, y: Array) -> tuple[Array, Array]:
    """One step of the optimiser; the batch's loss and logits."""
    net.train()
    logits = net(X)
    loss = nn.CrossEntropyLoss()(logits, y)
    loss.backward()
    trainer.step()
    trainer.clear_grad()
    return loss.detach(), logits.detach()


def concise_predict(net: Net, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    net.eval()
    with paddle.no_grad():
        logits: Array = net(X)
    return logits


def concise_params(net: Net) -> list[npt.NDArray[Any]]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return [to_numpy(param) for param in net.parameters()]
