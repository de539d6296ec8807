"""A small layer library in NumPy, used by the concise implementation.

``forward`` maps X to Y and stores what ``backward`` needs. ``backward`` maps the gradient dY of the
loss to dX. Arrays are examples × units, float32 or float64.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from d2ldrop.core.fork_safe import ForkSafeGenerator

Array: TypeAlias = npt.NDArray[Any]


class Layer(Protocol):
    """The methods of a layer that ``Sequential`` calls."""

    def forward(self, X: Array, training: bool = False) -> Array:
        """The layer's output; dropout is applied only if ``training`` is True."""
        ...

    def backward(self, dY: Array) -> Array:
        """The gradient with respect to the input of the last ``forward``."""
        ...


class Linear:
    """Fully connected layer ``X @ W + b``; W (inputs, outputs) and b (outputs,) are not copied."""

    def __init__(self, W: Array, b: Array) -> None:
        self.W, self.b = W, b

    def forward(self, X: Array, training: bool = False) -> Array:
        """Return Y (n, outputs) for X (n, inputs)."""
        self.X = X
        Y: Array = X @ self.W + self.b
        return Y

    def backward(self, dY: Array) -> Array:
        """Return dX; store the gradients of W and b in ``dW`` and ``db``."""
        self.dW, self.db = self.X.T @ dY, dY.sum(axis=0)
        dX: Array = dY @ self.W.T
        return dX


class ReLU:
    """``max(X, 0)``, element by element."""

    def forward(self, X: Array, training: bool = False) -> Array:
        """Return Y, with the shape of X."""
        self.positive = X > 0
        Y: Array = np.maximum(X, 0)
        return Y

    def backward(self, dY: Array) -> Array:
        """Return dX: dY where X was positive, 0 elsewhere."""
        dX: Array = dY * self.positive
        return dX


class Dropout:
    """Inverted dropout with probability p in training, the identity otherwise (D2L 4.6)."""

    def __init__(self, p: float, generator: np.random.Generator | ForkSafeGenerator) -> None:
        self.p, self.generator = p, generator

    def forward(self, X: Array, training: bool = False) -> Array:
        """Return Y, with the shape of X; draw a fresh mask."""
        drops = training and self.p > 0
        self.mask = self.generator.random(X.shape, np.float32) >= self.p if drops else None
        return self.backward(X)  # forward and backward apply the mask alike

    def backward(self, dY: Array) -> Array:
        """Return dX, with the mask and the scale of the forward pass."""
        if self.mask is None:
            return dY
        dX: Array = self.mask * dY
        return dX / (1 - self.p) if self.p < 1 else dX


class Sequential:
    """Layers, one after another."""

    def __init__(self, *layers: Layer) -> None:
        self.layers = layers

    def forward(self, X: Array, training: bool = False) -> Array:
        """Apply all layers in order."""
        for layer in self.layers:
            X = layer.forward(X, training)
        return X

    def backward(self, dY: Array) -> Array:
        """Run the backward passes of all layers in reverse order."""
        for layer in reversed(self.layers):
            dY = layer.backward(dY)
        return dY

    def linear_layers(self) -> list[Linear]:
        """The layers that have parameters."""
        return [layer for layer in self.layers if isinstance(layer, Linear)]

    def params(self) -> list[Array]:
        """W and b of each linear layer, in order."""
        return [array for layer in self.linear_layers() for array in (layer.W, layer.b)]

    def grads(self) -> list[Array]:
        """The gradients, after ``backward``, in the order of ``params``."""
        return [array for layer in self.linear_layers() for array in (layer.dW, layer.db)]


class SGD:
    """Stochastic gradient descent: ``param -= lr * grad``."""

    def __init__(self, net: Sequential, lr: float) -> None:
        self.net, self.lr = net, lr

    def step(self) -> None:
        """Update the parameters in place."""
        for param, grad in zip(self.net.params(), self.net.grads(), strict=True):
            param -= self.lr * grad
