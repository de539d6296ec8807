"""Dropout and the dropout MLP in MXNet, with its NumPy-like arrays, ``mx.np``.

What is particular to MXNet:

- Retired in 2023. Version 1.9.1 reads names that NumPy has removed: ``mxnet_import`` gives them.
- Without ``use_np`` a shape () or (0, 3) means "unknown"; the decorator sets that right for a call.
- Operations are queued: a result is there when its values are read.
- ``nn.Dense`` keeps W as outputs × inputs, the transpose of the book's.
"""

# pyright: reportAttributeAccessIssue=false, reportReturnType=false, reportOptionalMemberAccess=false
# pyright: reportOperatorIssue=false, reportOptionalOperand=false, reportArgumentType=false
# (mxnet has no types: it makes most of its functions while it is imported.)
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from d2ldrop.core.imports import mxnet_import
from d2ldrop.core.noise import noise_layer

with mxnet_import():
    import mxnet as mx
    from mxnet import autograd, gluon, npx
    from mxnet.gluon import nn
    from mxnet.util import use_np

Array: TypeAlias = mx.np.ndarray
Masks: TypeAlias = tuple[Array | None, Array | None]
Net: TypeAlias = gluon.Block
Trainer: TypeAlias = gluon.Trainer


def is_array(x: object) -> bool:
    """Whether ``x`` is an array of ``mx.np``."""
    return isinstance(x, mx.np.ndarray)


def devices() -> list[str]:
    """The devices that MXNet can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(mx.context.num_gpus()))]


@use_np
def from_numpy(array: npt.NDArray[Any], device: str = "cpu") -> Array:
    """An array with the values of ``array``, same shape and dtype."""
    if device == "cpu" and array.dtype != bool and array.size and array.flags.carray:
        compact = np.ndarray(array.shape, array.dtype, array)  # X[:, None] may have other strides
        return mx.nd.from_dlpack(compact.__dlpack__()).as_np_ndarray()  # it shares the memory
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
    """Drop with probability ``dropout``, divide the rest by 1 - dropout (D2L 4.6).

    A mask of numbers is scaled already.
    """
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros that X's gradient, zero too, flows through
    if mask is None:
        mask = mx.np.random.uniform(size=X.shape, ctx=X.ctx) >= dropout
    if mask.dtype == bool:
        mask = mask.astype(X.dtype) / (1 - dropout)
    return mask.as_in_ctx(X.ctx) * X


@use_np
def init_params(arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
    """Trainable parameters with the values of ``arrays``."""
    params = [from_numpy(array.copy(), device) for array in arrays]
    for param in params:
        param.attach_grad()
    return params


@use_np
def mlp(
    params: list[Array],
    X: Array,
    dropout: tuple[float, float] = (0, 0),
    masks: Masks = (None, None),
    noise: str = "dropout",
) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = npx.activation(linear(X, W1, b1), act_type="relu")
    H1, W2 = noise_layer(dropout_layer, H1, W2, dropout[0], masks[0], noise)
    H2 = npx.activation(linear(H1, W2, b2), act_type="relu")
    H2, W3 = noise_layer(dropout_layer, H2, W3, dropout[1], masks[1], noise)
    return linear(H2, W3, b3)


def linear(X: Array, W: Array, b: Array) -> Array:
    """X @ W + b: in one operation, for the gradient of a broadcast + takes as long as a product."""
    return npx.fully_connected(X, W.T, b, num_hidden=len(b), no_bias=False)


@use_np
def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    return -npx.pick(npx.log_softmax(logits), y).mean()


@use_np
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
    with autograd.record():
        logits = mlp(params, X, dropout, masks, noise)
        loss = cross_entropy(logits, y)
        objective = lr * loss
    objective.backward()
    for param in params:
        step = param.grad  # lr times the gradient
        if weight_decay and len(param.shape) == 2:  # a matrix of weights, not a bias
            step = step + lr * weight_decay * param
        param -= step
    return params, loss.detach(), logits.detach()


@use_np
def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Shorten each unit's incoming weights, a column of W, to a norm of at most ``max_norm``."""
    for W in params[::2]:
        W /= mx.np.maximum(mx.np.linalg.norm(W, axis=0) / max_norm, 1)
    return params


@use_np
def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    return mlp(params, X)


@use_np
def concise_mlp(
    arrays: Sequence[npt.NDArray[Any]],
    dropout: tuple[float, float],
    lr: float,
    noise: str = "dropout",
    device: str = "cpu",
) -> tuple[Net, Trainer]:
    """The network of Gluon's own layers, weights as in ``arrays``, and its optimiser."""
    W1, b1, W2, b2, W3, b3 = arrays
    axes = (0,) if noise == "unit" else ()  # a mask is shared along these
    net = nn.Sequential()
    net.add(
        nn.Dense(len(b1), "relu", in_units=len(W1), dtype=W1.dtype),
        nn.Dropout(dropout[0], axes),
        nn.Dense(len(b2), "relu", in_units=len(W2), dtype=W2.dtype),
        nn.Dropout(dropout[1], axes),
        nn.Dense(len(b3), in_units=len(W3), dtype=W3.dtype),
    )
    net.initialize("zeros", from_numpy(b1, device).ctx)
    for layer, W, b in ((net[0], W1, b1), (net[2], W2, b2), (net[4], W3, b3)):
        layer.weight.set_data(from_numpy(W.T, device))
        layer.bias.set_data(from_numpy(b, device))
    return net, gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": lr})


@use_np
def concise_step(net: Net, trainer: Trainer, X: Array, y: Array) -> tuple[Array, Array]:
    """One step of the optimiser; the batch's loss and logits."""
    lr = trainer.learning_rate
    with autograd.record():
        logits = net(X)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(logits, y).mean()
        # The optimiser rounds its learning rate to float32: the gradient makes up for that.
        objective = loss * (lr / float(np.float32(lr)))
    objective.backward()
    trainer.step(batch_size=1)  # by which it would divide: the loss is a mean already
    return loss.detach(), logits.detach()


@use_np
def concise_predict(net: Net, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    return net(X)


@use_np
def concise_params(net: Net) -> list[npt.NDArray[Any]]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return [to_numpy(param.data()).T for param in net.collect_params().values()]
