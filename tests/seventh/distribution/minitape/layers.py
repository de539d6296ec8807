"""Layers of MiniTape, and its optimiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import minitape
from minitape import Array, Values


class Linear:
    """X @ weight.T + bias; the weight is stored as outputs × inputs."""

    def __init__(self, weight: Values, bias: Values) -> None:
        self.weight = Array(weight, trainable=True)
        self.bias = Array(bias, trainable=True)

    def __call__(self, X: Array) -> Array:
        return X @ self.weight.T + self.bias


class Dropout:
    """Inverted dropout while ``training`` is True."""

    def __init__(self, p: float) -> None:
        self.p = p
        self.training = True

    def __call__(self, X: Array) -> Array:
        if not self.training or self.p == 0:
            return X
        if self.p == 1:
            return X * 0
        kept = minitape.uniform(X.shape).values >= self.p
        return Array(kept) * X / (1 - self.p)


class Sequential:
    """Applies functions and layers one after another."""

    def __init__(self, *layers: Callable[[Array], Array]) -> None:
        self.layers = layers

    def __call__(self, X: Array) -> Array:
        for layer in self.layers:
            X = layer(X)
        return X

    def train(self, training: bool) -> None:
        """Switch dropout on or off."""
        for layer in self.layers:
            if isinstance(layer, Dropout):
                layer.training = training

    def params(self) -> list[Array]:
        """The weight and the bias of each linear layer."""
        linear = [layer for layer in self.layers if isinstance(layer, Linear)]
        return [param for layer in linear for param in (layer.weight, layer.bias)]


class SGD:
    """Plain stochastic gradient descent."""

    def __init__(self, params: Sequence[Array], lr: float) -> None:
        self.params, self.lr = params, lr

    def step(self, loss: Array) -> None:
        """Update the parameters in place."""
        for param, grad in zip(self.params, minitape.gradients(loss, self.params), strict=True):
            np.subtract(param.values, self.lr * grad.values, out=param.values)
