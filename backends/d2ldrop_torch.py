"""Dropout and the dropout MLP in PyTorch.

What is particular to PyTorch:

- What is computed from a parameter is recorded as it is computed; its update must not be, hence
  ``no_grad``.
- ``autograd.grad`` returns the gradients; ``loss.backward()`` would add them to ``param.grad``.
- A GPU is called "cuda" here and "gpu" in every other framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy.typing as npt
import torch
from torch.nn import functional as F

Array: TypeAlias = torch.Tensor
Masks: TypeAlias = tuple[Array | None, Array | None]


def is_array(x: object) -> bool:
    """Whether ``x`` is a tensor; subclasses and parameters are."""
    return isinstance(x, torch.Tensor)


def devices() -> list[str]:
    """The devices that PyTorch can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(torch.cuda.device_count()))]


def from_numpy(array: npt.NDArray[Any], device: str = "cpu") -> Array:
    """A tensor with the values of ``array``, same shape and dtype."""
    return torch.tensor(array, device=device.replace("gpu", "cuda"))


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """The values of ``x``; on the CPU they share its memory."""
    return x.detach().cpu().numpy()


def manual_seed(seed: int) -> None:
    """Seed PyTorch's own generators."""
    torch.manual_seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop with probability ``dropout``, divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros_like(X) would cut X off from its gradient
    if mask is None:
        mask = torch.rand(X.shape, dtype=torch.float32, device=X.device) >= dropout
    return mask.to(X) * X / (1 - dropout)


def init_params(arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
    """Trainable parameters with the values of ``arrays``."""
    return [from_numpy(array, device).requires_grad_() for array in arrays]


def mlp(
    params: list[Array],
    X: Array,
    dropout: tuple[float, float] = (0, 0),
    masks: Masks = (None, None),
) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, dropout after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = torch.relu(X @ W1 + b1)
    H1 = dropout_layer(H1, dropout[0], mask=masks[0])
    H2 = torch.relu(H1 @ W2 + b2)
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
    grads = torch.autograd.grad(loss, params)
    with torch.no_grad():
        for param, grad in zip(params, grads, strict=True):
            param -= lr * grad
    return params, loss.detach(), logits.detach()


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    with torch.no_grad():
        return mlp(params, X)
