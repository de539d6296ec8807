"""What is right: one training step of the network, from the textbook, in float64.

It uses plain NumPy and no backend, so that NumPy's backend can be judged, too. FAULTS says what
known mistakes would give: a check names the one that gives just what a backend gave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from d2ldrop.core.noise import NO_NOISE, LayerNoise, Noise

Values = npt.NDArray[Any]
NAMES = ("W1", "b1", "W2", "b2", "W3", "b3")


@dataclass(frozen=True, eq=False)
class Step:
    """What goes into one training step; all arrays are NumPy's, and nobody changes them.

    Attributes:
        params: W1 (784, h1), b1 (h1,), W2 (h1, h2), b2 (h2,), W3 (h2, 10), b3 (10,).
        X: images (n, 784).
        y: labels (n,).
        noise: of both hidden layers. A site with 0 < dropout < 1 has its mask.
        lr: the learning rate.
        weight_decay: ``weight_decay * W`` is added to the gradient of each W.
        max_norm: the largest norm of a column of W after the step; None: no limit.
    """

    params: tuple[Values, ...]
    X: Values
    y: Values
    noise: Noise = NO_NOISE
    lr: float = 0.1
    weight_decay: float = 0
    max_norm: float | None = None


class Result(NamedTuple):
    """What one step gives. Loss, logits and gradients are those before the update."""

    params: tuple[Values, ...]
    loss: Values
    logits: Values
    gradients: tuple[Values, ...]


class Effect(NamedTuple):
    """The noise of one site: activations become ``factor * H + term``, weights ``weights * W``."""

    factor: Any = 1.0
    term: Any = 0.0
    weights: Any = 1.0


def effect(site: LayerNoise) -> Effect:
    """The noise of a site; a boolean mask is scaled by 1 / (1 - p)."""
    if site.kind == "add":
        return Effect(term=site.mask)
    if site.kind == "weights":
        return Effect(weights=site.mask)
    if site.kind == "multiply":
        return Effect(factor=site.mask)
    if site.dropout in (0, 1):
        return Effect(factor=1.0 - site.dropout)
    return Effect(factor=site.mask / (1 - site.dropout))


def activations(params: tuple[Values, ...], X: Values, noise: Noise) -> tuple[Values, ...]:
    """Z1, D1, Z2, D2 and the logits: values before ReLU (Z) and after the noise (D)."""
    W1, b1, W2, b2, W3, b3 = (param.astype(np.float64) for param in params)
    first, second = map(effect, noise)
    Z1 = X.astype(np.float64) @ W1 + b1
    D1 = first.factor * np.maximum(Z1, 0) + first.term
    Z2 = D1 @ (first.weights * W2) + b2
    D2 = second.factor * np.maximum(Z2, 0) + second.term
    return Z1, D1, Z2, D2, D2 @ (second.weights * W3) + b3


def logits_of(params: tuple[Values, ...], X: Values, noise: Noise = NO_NOISE) -> Values:
    """The logits (n, 10)."""
    return activations(params, X, noise)[-1]


def cross_entropy(logits: Values, y: Values) -> Values:
    """The mean over the batch of -log softmax(logits)[y]."""
    logits = logits.astype(np.float64)
    highest = logits.max(axis=1)
    total = np.exp(logits - highest[:, None]).sum(axis=1)
    return np.array(np.mean(np.log(total) + highest - logits[np.arange(len(y)), y]))


def gradients_of(
    step: Step, *, ties: float = 0.0, backward: tuple[Effect, Effect] | None = None
) -> tuple[Values, ...]:
    """The gradients of the loss, by the chain rule.

    ``ties`` is ReLU's derivative at 0, and ``backward`` is the noise that the backward pass uses.
    """
    Z1, D1, Z2, D2, logits = activations(step.params, step.X, step.noise)
    _, _, W2, _, W3, _ = (param.astype(np.float64) for param in step.params)
    first, second = backward or (effect(step.noise[0]), effect(step.noise[1]))
    n = len(step.y)
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    dO = (exp / exp.sum(axis=1, keepdims=True) - np.eye(logits.shape[1])[step.y]) / n
    dZ2 = second.factor * (dO @ (second.weights * W3).T) * slope(Z2, ties)
    dZ1 = first.factor * (dZ2 @ (first.weights * W2).T) * slope(Z1, ties)
    dW1 = step.X.astype(np.float64).T @ dZ1
    dW2 = first.weights * (D1.T @ dZ2)
    dW3 = second.weights * (D2.T @ dO)
    return dW1, dZ1.sum(axis=0), dW2, dZ2.sum(axis=0), dW3, dO.sum(axis=0)


def slope(Z: Values, ties: float) -> Values:
    """The derivative of ReLU: 1 above 0, 0 below, ``ties`` at 0."""
    return np.where(Z > 0, 1.0, np.where(Z == 0, ties, 0.0))


def clipped(params: tuple[Values, ...], max_norm: float, axis: int = 0) -> tuple[Values, ...]:
    """``params`` with the norm of each column (axis 0) of each W limited to ``max_norm``."""
    return tuple(
        W / np.maximum(np.sqrt((W**2).sum(axis=axis, keepdims=True)) / max_norm, 1)
        if W.ndim == 2
        else W
        for W in params
    )


def take(step: Step, gradients: tuple[Values, ...] | None = None, *, decayed: str = "W") -> Result:
    """Take the step. ``decayed`` has the first letters of the parameters that decay."""
    wide = tuple(param.astype(np.float64) for param in step.params)
    logits = logits_of(wide, step.X, step.noise)
    grads = gradients_of(step) if gradients is None else gradients
    params = tuple(
        param - step.lr * (grad + (step.weight_decay if name[0] in decayed else 0) * param)
        for name, param, grad in zip(NAMES, wide, grads, strict=True)
    )
    if step.max_norm is not None:
        params = clipped(params, step.max_norm)
    return Result(params, cross_entropy(logits, step.y), logits, grads)


@lru_cache(maxsize=64)
def right(step: Step) -> Result:
    """What the step should give; a check asks for the same step several times."""
    return take(step)


def scaled_sites(step: Step, scale: Callable[[float, Values], Values]) -> Step:
    """The step with ``scale(p, mask)`` in place of each boolean mask."""
    first, second = (
        LayerNoise(site.dropout, scale(site.dropout, site.mask), "multiply")
        if site.kind == "dropout" and 0 < site.dropout < 1
        else site
        for site in step.noise
    )
    return replace(step, noise=(first, second))


def with_noise(step: Step, first: LayerNoise, second: LayerNoise) -> Result:
    """The step with other noise; NOTHING if a mask is missing, or if its shape does not fit."""
    if any(site.mask is None and 0 < site.dropout < 1 for site in (first, second)):
        return NOTHING
    try:
        return take(replace(step, noise=(first, second)))
    except ValueError:
        return NOTHING


def backward_with(step: Step, scale: Callable[[float, Values], Values]) -> Result:
    """The step whose backward pass has ``scale(p, mask)`` in place of the boolean masks."""
    first, second = scaled_sites(step, scale).noise
    return take(step, gradients_of(step, backward=(effect(first), effect(second))))


def divided(step: Step, by: float) -> Result:
    """The step whose loss and gradients are sums over the batch, divided by ``by``."""
    factor = len(step.y) / by
    other = take(step, tuple(factor * grad for grad in right(step).gradients))
    return other._replace(loss=factor * other.loss)


def after(step: Step) -> Result:
    """The step, with loss and logits of after the update."""
    moved = right(step)
    logits = logits_of(moved.params, step.X, step.noise)
    return moved._replace(loss=cross_entropy(logits, step.y), logits=logits)


def single(number: float) -> float:
    """``number`` rounded to float32."""
    return float(np.float32(number))


def limited_along_rows(step: Step) -> Result:
    """The step, with the rows of W limited."""
    free = take(replace(step, max_norm=None))
    return free._replace(params=clipped(free.params, step.max_norm or np.inf, axis=1))


def limited_before(step: Step) -> Result:
    """The step that limits the norms before the update, not after it."""
    wide = tuple(param.astype(np.float64) for param in step.params)
    start = clipped(wide, step.max_norm or np.inf)
    return take(replace(step, params=start, max_norm=None))


def untrained(step: Step) -> Result:
    """The step without its update."""
    zeros = tuple(np.zeros(param.shape) for param in step.params)
    return right(step)._replace(params=step.params, gradients=zeros)


def transposed(step: Step) -> Result:
    """The step of a network with W2 transposed; NOTHING if W2 is not square."""
    W1, b1, W2, *rest = step.params
    if W2.shape[0] != W2.shape[1]:
        return NOTHING
    moved = take(replace(step, params=(W1, b1, W2.T, *rest)))
    turned = list(moved.params)
    turned[2] = turned[2].T
    return moved._replace(params=tuple(turned))


_EMPTY = np.empty(0)
NOTHING = Result((_EMPTY,) * 6, _EMPTY, _EMPTY, (_EMPTY,) * 6)
"""Of a fault that is impossible in this step; no values of a backend have its shapes."""
FAULTS: Mapping[str, Callable[[Step], Result]] = {
    "a mask that is inverted": lambda s: take(scaled_sites(s, lambda p, m: ~m / (1 - p))),
    "a mask that is not scaled": lambda s: take(scaled_sites(s, lambda p, m: 1.0 * m)),
    "a mask that is scaled twice": lambda s: take(scaled_sites(s, lambda p, m: m / (1 - p) ** 2)),
    "a mask that is divided by p": lambda s: take(scaled_sites(s, lambda p, m: m / p)),
    "a scale in float32": lambda s: take(scaled_sites(s, lambda p, m: m * single(1 / (1 - p)))),
    "a gradient without the scale": lambda s: backward_with(s, lambda p, m: 1.0 * m),
    "a gradient without the mask": lambda s: backward_with(s, lambda p, m: np.ones(m.shape)),
    "a gradient without the mask, but with the scale": (
        lambda s: backward_with(s, lambda p, m: np.full(m.shape, 1 / (1 - p)))
    ),
    "no noise": lambda s: with_noise(s, *NO_NOISE),
    "noise at the first site only": lambda s: with_noise(s, s.noise[0], LayerNoise()),
    "noise at the second site only": lambda s: with_noise(s, LayerNoise(), s.noise[1]),
    "the noise of the two sites exchanged": lambda s: with_noise(s, s.noise[1], s.noise[0]),
    "the first site's mask at both sites": (
        lambda s: with_noise(s, s.noise[0], s.noise[1]._replace(mask=s.noise[0].mask))
    ),
    "the first site's noise at both sites": lambda s: with_noise(s, s.noise[0], s.noise[0]),
    "the second site's noise at both sites": lambda s: with_noise(s, s.noise[1], s.noise[1]),
    "a derivative of ReLU of 1/2 at 0": lambda s: take(s, gradients_of(s, ties=0.5)),
    "a derivative of ReLU of 1 at 0": lambda s: take(s, gradients_of(s, ties=1.0)),
    "a loss times lr": lambda s: right(s)._replace(loss=s.lr * right(s).loss),
    "a loss that is summed": lambda s: divided(s, 1),
    "a mean over the 10 classes": lambda s: divided(s, 10),
    "a mean over classes and images": lambda s: divided(s, 10 * len(s.y)),
    "a sum divided by 32, not by the images of this batch": lambda s: divided(s, 32),
    "a sum divided by 256, not by the images of this batch": lambda s: divided(s, 256),
    "a label that is one too large": lambda s: take(replace(s, y=(s.y + 1) % 10)),
    "a label that is one too small": lambda s: take(replace(s, y=(s.y - 1) % 10)),
    "an answer of after the update": after,
    "a learning rate in float32": lambda s: take(replace(s, lr=single(s.lr))),
    "a step uphill": lambda s: take(replace(s, lr=-s.lr)),
    "a weight decay in float32": lambda s: take(replace(s, weight_decay=single(s.weight_decay))),
    "weight decay on biases": lambda s: take(s, decayed="Wb"),
    "no weight decay": lambda s: take(replace(s, weight_decay=0)),
    "a weight decay twice as large": lambda s: take(replace(s, weight_decay=2 * s.weight_decay)),
    "max-norm along the rows of W": limited_along_rows,
    "max-norm before the update": limited_before,
    "no max-norm": lambda s: take(replace(s, max_norm=None)),
    "W2 transposed": transposed,
    "a parameter that is not trained": untrained,
}
"""Known mistakes in words, and what each would give."""


def hints(step: Step, pick: Callable[[Result], Values]) -> dict[str, Callable[[], Values]]:
    """What each known mistake would give for one quantity; ``pick`` takes it from a result."""
    return {
        name: lambda fault=fault: _quietly(fault, step, pick)  # type: ignore[misc]  # mypy: default
        for name, fault in FAULTS.items()
    }


def _quietly(
    fault: Callable[[Step], Result], step: Step, pick: Callable[[Result], Values]
) -> Values:
    with np.errstate(all="ignore"):  # a mistake may overflow
        return pick(fault(step))
