"""Dropout and the dropout MLP in NumPy: the reference for the other frameworks.

What is particular to NumPy:

- There is no automatic differentiation: ``forward`` keeps what ``backward`` needs.
- ``train_step`` draws fresh masks itself: the backward pass needs the masks of the forward pass.
- Fresh masks come from a generator of this module: ``np.random.seed`` does not affect them.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from d2ldrop_numpy_layers import SGD, Dropout, Linear, ReLU, Sequential

from d2ldrop.core.arrays import Arrays, NumPyArray, Rates
from d2ldrop.core.fork_safe import ForkSafeGenerator
from d2ldrop.core.noise import NO_NOISE, LayerNoise, Noise, noise_layer

Array: TypeAlias = npt.NDArray[Any]

generator = ForkSafeGenerator()  # draws fresh masks


def is_array(x: object) -> bool:
    """Whether ``x`` is an array; subclasses count."""
    return isinstance(x, np.ndarray)


def devices() -> list[str]:
    """The devices that NumPy can use."""
    return ["cpu"]


def from_numpy(array: NumPyArray, device: str = "cpu") -> Array:
    """Return ``array`` itself."""
    return array


def to_numpy(x: Array) -> NumPyArray:
    """Return ``x`` itself."""
    return x


def manual_seed(seed: int) -> None:
    """Seed this module's generator."""
    generator.seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop each element with probability dropout and divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X
    if mask is None:
        mask = generator.random(X.shape, dtype=np.float32) >= dropout
    if X.dtype.itemsize < 4:  # half precision would round 1 - dropout
        return dropout_layer(X.astype(np.float32), dropout, mask=mask).astype(X.dtype)
    return mask * X / (1 - dropout)


def init_params(arrays: Arrays, device: str = "cpu") -> list[Array]:
    """Trainable copies of ``arrays``."""
    return [array.copy() for array in arrays]


def mlp(params: list[Array], X: Array, noise: Noise = NO_NOISE) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    return forward(params, X, noise)[-1]


def forward(params: list[Array], X: Array, noise: Noise) -> tuple[Array, ...]:
    """H1, D1, V2, H2, D2, V3 and the logits; D and V are H and its outgoing weights after noise."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = np.maximum(X @ W1 + b1, 0)
    D1, V2 = noise_layer(dropout_layer, H1, W2, noise[0])
    H2 = np.maximum(D1 @ V2 + b2, 0)
    D2, V3 = noise_layer(dropout_layer, H2, W3, noise[1])
    return H1, D1, V2, H2, D2, V3, D2 @ V3 + b3


def backward(X: Array, activations: tuple[Array, ...], dO: Array, noise: Noise) -> list[Array]:
    """The gradients of the parameters by the chain rule; dO is the gradient of the logits.

    Multiplicative noise multiplies the gradient by the same mask. Additive noise does not change
    the gradient. The derivative of ReLU is 1 where H > 0, else 0.
    """
    H1, D1, V2, H2, D2, V3, _ = activations
    first, second = (LayerNoise() if site.kind == "add" else site for site in noise)
    dH2, dW3 = noise_layer(dropout_layer, dO @ V3.T, D2.T @ dO, second)
    dZ2 = dH2 * (H2 > 0)
    dH1, dW2 = noise_layer(dropout_layer, dZ2 @ V2.T, D1.T @ dZ2, first)
    dZ1 = dH1 * (H1 > 0)
    return [X.T @ dZ1, dZ1.sum(axis=0), dW2, dZ2.sum(axis=0), dW3, dO.sum(axis=0)]


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    return cross_entropy_and_gradient(logits, y)[0]


def cross_entropy_and_gradient(logits: Array, y: Array) -> tuple[Array, Array]:
    """``cross_entropy`` and its gradient with respect to the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)  # exp cannot overflow
    exp = np.exp(shifted)
    total = exp.sum(axis=1, keepdims=True)
    correct = np.arange(len(y)), y
    loss = (np.log(total[:, 0]) - shifted[correct]).mean()
    dO = exp / total  # the softmax
    dO[correct] -= 1
    return loss, dO / len(y)


def train_step(
    params: list[Array], X: Array, y: Array, lr: float, noise: Noise, weight_decay: float = 0
) -> tuple[list[Array], Array, Array]:
    """Take one SGD step; return params (updated in place), and loss and logits of the batch."""
    noise = draw_masks(noise, len(X), [len(b) for b in params[1::2]])
    activations = forward(params, X, noise)
    logits = activations[-1]
    loss, dO = cross_entropy_and_gradient(logits, y)
    grads = backward(X, activations, dO, noise)
    for param, grad in zip(params, grads, strict=True):
        if weight_decay and param.ndim == 2:  # a matrix of weights, not a bias
            grad = grad + weight_decay * param
        param -= lr * grad
    return params, loss, logits


def draw_masks(noise: Noise, n: int, widths: list[int]) -> Noise:
    """Draw a fresh mask (n, width) for each hidden layer whose dropout has no mask yet."""
    first, second = (
        site._replace(mask=generator.random((n, width), dtype=np.float32) >= site.dropout)
        if site.kind == "dropout" and site.mask is None and 0 < site.dropout < 1
        else site
        for site, width in zip(noise, widths[:2], strict=True)
    )
    return first, second


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Limit the norm of each unit's incoming weights, a column of W, to ``max_norm``."""
    for W in params[::2]:
        W /= np.maximum(np.linalg.norm(W, axis=0) / max_norm, 1)
    return params


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without noise."""
    return mlp(params, X)


def concise_mlp(
    arrays: Arrays, dropout: Rates, lr: float, noise: str = "dropout", device: str = "cpu"
) -> tuple[Sequential, SGD]:
    """A network of ``d2ldrop_numpy_layers`` with the weights ``arrays``, and its optimiser."""
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


def concise_step(net: Sequential, trainer: SGD, X: Array, y: Array) -> tuple[Array, Array]:
    """Take one step of the optimiser; return loss and logits of the batch."""
    logits = net.forward(X, training=True)
    loss, dO = cross_entropy_and_gradient(logits, y)
    net.backward(dO)
    trainer.step()
    return loss, logits


def concise_predict(net: Sequential, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    return net.forward(X)


def concise_params(net: Sequential) -> list[NumPyArray]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return net.params()
