"""Dropout and the dropout MLP in PyTorch.

What is particular to PyTorch:

- PyTorch records all operations on parameters for their gradients; ``no_grad`` stops this.
- ``autograd.grad`` returns the gradients; ``loss.backward()`` would add them to ``param.grad``.
- PyTorch calls a GPU "cuda"; all other frameworks call it "gpu".
"""

from typing import TypeAlias

import torch
from torch import nn, optim

from d2ldrop.core.arrays import Arrays, NumPyArray, Rates
from d2ldrop.core.noise import NO_NOISE, Noise, noise_layer

Array: TypeAlias = torch.Tensor


def is_array(x: object) -> bool:
    """Whether ``x`` is a tensor, or stands for one; subclasses and parameters count."""
    return isinstance(x, (torch.Tensor, torch.fx.Proxy))


def devices() -> list[str]:
    """The devices that PyTorch can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(torch.cuda.device_count()))]


def from_numpy(array: NumPyArray, device: str = "cpu") -> Array:
    """A tensor with the values, shape and dtype of ``array``."""
    sharable = array.flags.writeable and min(array.strides, default=0) >= 0
    shared = array if sharable else array.copy()
    return torch.from_numpy(shared).to(device.replace("gpu", "cuda"))


def to_numpy(x: Array) -> NumPyArray:
    """The values of ``x``."""
    return x.detach().cpu().numpy()


def manual_seed(seed: int) -> None:
    """Seed PyTorch's own generators."""
    torch.manual_seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop each element with probability dropout and divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros, through which gradients still flow
    if mask is None:
        mask = torch.rand_like(X, dtype=torch.float32) >= dropout
    elif mask.stride() != X.stride():  # keep the memory format of X
        mask = torch.empty_like(X, dtype=torch.bool).copy_(mask)
    return mask * X / (1 - dropout)


def init_params(arrays: Arrays, device: str = "cpu") -> list[Array]:
    """Trainable copies of ``arrays``."""
    return [from_numpy(array.copy(), device).requires_grad_() for array in arrays]


def mlp(params: list[Array], X: Array, noise: Noise = NO_NOISE) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = torch.relu(X @ W1 + b1)
    H1, W2 = noise_layer(dropout_layer, H1, W2, noise[0])
    H2 = torch.relu(H1 @ W2 + b2)
    H2, W3 = noise_layer(dropout_layer, H2, W3, noise[1])
    return H2 @ W3 + b3


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    return nn.functional.cross_entropy(logits, y)


def train_step(
    params: list[Array], X: Array, y: Array, lr: float, noise: Noise, weight_decay: float = 0
) -> tuple[list[Array], Array, Array]:
    """Take one SGD step; return params (updated in place), and loss and logits of the batch."""
    logits = mlp(params, X, noise)
    loss = cross_entropy(logits, y)
    grads = torch.autograd.grad(loss, params)
    with torch.no_grad():
        for param, grad in zip(params, grads, strict=True):
            if weight_decay and param.ndim == 2:  # a matrix of weights, not a bias
                grad = grad + weight_decay * param
            param -= lr * grad
    return params, loss.detach(), logits.detach()


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Limit the norm of each unit's incoming weights, a column of W, to ``max_norm``."""
    with torch.no_grad():
        for W in params[::2]:
            W /= torch.clamp(torch.linalg.norm(W, dim=0) / max_norm, min=1)
    return params


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without noise."""
    with torch.no_grad():
        return mlp(params, X)


def concise_mlp(
    arrays: Arrays, dropout: Rates, lr: float, noise: str = "dropout", device: str = "cpu"
) -> tuple[nn.Module, optim.SGD]:
    """A network of PyTorch's own layers with the weights ``arrays``, and its optimiser."""
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
    for param, array in zip(net.parameters(), arrays, strict=True):
        param.data = from_numpy(array.T.copy(), device)  # nn.Linear stores W transposed
    return net, optim.SGD(net.parameters(), lr)


def concise_step(net: nn.Module, trainer: optim.SGD, X: Array, y: Array) -> tuple[Array, Array]:
    """Take one step of the optimiser; return loss and logits of the batch."""
    net.train()
    logits = net(X)
    loss = nn.CrossEntropyLoss()(logits, y)
    trainer.zero_grad()
    loss.backward()
    trainer.step()
    return loss.detach(), logits.detach()


def concise_predict(net: nn.Module, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    net.eval()
    with torch.no_grad():
        return net(X)


def concise_params(net: nn.Module) -> list[NumPyArray]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return [to_numpy(param).T for param in net.parameters()]
