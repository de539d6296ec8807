"""Dropout and the dropout MLP in PyTorch.

What is particular to PyTorch:

- What is computed from a parameter is recorded as it is computed; its update must not be, hence
  ``no_grad``.
- ``autograd.grad`` returns the gradients; ``loss.backward()`` would add them to ``param.grad``.
- A GPU is called "cuda" here and "gpu" in every other framework.
- ``nn.Linear`` keeps W as outputs × inputs, the transpose of the book's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from d2ldrop.core.noise import noise_layer

Array: TypeAlias = torch.Tensor
Masks: TypeAlias = tuple[Array | None, Array | None]
Net: TypeAlias = nn.Module
Trainer: TypeAlias = torch.optim.Optimizer


def is_array(x: object) -> bool:
    """Whether ``x`` is a tensor; subclasses and parameters are."""
    return isinstance(x, torch.Tensor)


def devices() -> list[str]:
    """The devices that PyTorch can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(torch.cuda.device_count()))]


def from_numpy(array: npt.NDArray[Any], device: str = "cpu") -> Array:
    """A tensor with the values of ``array``, same shape and dtype."""
    # It shares the memory of the array, which PyTorch wants to be writable then.
    writable = array if array.flags.writeable else array.copy()
    return torch.from_numpy(writable).to(device.replace("gpu", "cuda"))


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """The values of ``x``; on the CPU they share its memory."""
    return x.detach().cpu().numpy()


def manual_seed(seed: int) -> None:
    """Seed PyTorch's own generators."""
    torch.manual_seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop with probability ``dropout``, divide the rest by 1 - dropout (D2L 4.6).

    A mask of numbers is scaled already.
    """
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros_like(X) would cut X off from its gradient
    if mask is None:
        mask = torch.rand(X.shape, dtype=torch.float32, device=X.device) >= dropout
    if mask.dtype == torch.bool:
        mask = mask.to(X.dtype) / (1 - dropout)
    return mask.to(X.device) * X


def init_params(arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
    """Trainable parameters with the values of ``arrays``."""
    return [from_numpy(array.copy(), device).requires_grad_() for array in arrays]


def mlp(
    params: list[Array],
    X: Array,
    dropout: tuple[float, float] = (0, 0),
    masks: Masks = (None, None),
    noise: str = "dropout",
) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = torch.relu(X @ W1 + b1)
    H1, W2 = noise_layer(dropout_layer, H1, W2, dropout[0], masks[0], noise)
    H2 = torch.relu(H1 @ W2 + b2)
    H2, W3 = noise_layer(dropout_layer, H2, W3, dropout[1], masks[1], noise)
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
    noise: str = "dropout",
    weight_decay: float = 0,
) -> tuple[list[Array], Array, Array]:
    """One step of SGD: the parameters, updated in place, and the batch's loss and logits."""
    logits = mlp(params, X, dropout, masks, noise)
    loss = cross_entropy(logits, y)
    steps = torch.autograd.grad(lr * loss, params)  # lr times the gradients
    with torch.no_grad():
        for param, step in zip(params, steps, strict=True):
            if weight_decay and len(param.shape) == 2:  # a matrix of weights, not a bias
                step = step + lr * weight_decay * param
            param -= step
    return params, loss.detach(), logits.detach()


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Shorten each unit's incoming weights, a column of W, to a norm of at most ``max_norm``."""
    with torch.no_grad():
        for W in params[::2]:
            W /= torch.clamp(torch.linalg.norm(W, dim=0) / max_norm, min=1)
    return params


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    with torch.no_grad():
        return mlp(params, X)


def concise_mlp(
    arrays: Sequence[npt.NDArray[Any]],
    dropout: tuple[float, float],
    lr: float,
    noise: str = "dropout",
    device: str = "cpu",
) -> tuple[Net, Trainer]:
    """The network of PyTorch's own layers, weights as in ``arrays``, and its optimiser."""
    W1, b1, W2, b2, W3, b3 = arrays
    net = nn.Sequential(
        nn.Linear(len(W1), len(b1)),
        nn.ReLU(),
        nn.Dropout(dropout[0]),
        nn.Linear(len(W2), len(b2)),
        nn.ReLU(),
        nn.Dropout(dropout[1]),
        nn.Linear(len(W3), len(b3)),
    )
    for layer, W, b in ((net[0], W1, b1), (net[3], W2, b2), (net[6], W3, b3)):
        layer.weight = nn.Parameter(from_numpy(W.T.copy(), device))
        layer.bias = nn.Parameter(from_numpy(b.copy(), device))
    return net, torch.optim.SGD(net.parameters(), lr)


def concise_step(net: Net, trainer: Trainer, X: Array, y: Array) -> tuple[Array, Array]:
    """One step of the optimiser; the batch's loss and logits."""
    net.train()
    logits = net(X)
    loss = nn.CrossEntropyLoss()(logits, y)
    trainer.zero_grad()
    loss.backward()
    trainer.step()
    return loss.detach(), logits.detach()


def concise_predict(net: Net, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    net.eval()
    with torch.no_grad():
        logits: Array = net(X)
    return logits


def concise_params(net: Net) -> list[npt.NDArray[Any]]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return [to_numpy(param).T for param in net.parameters()]
