"""Checks of a backend's functions whose faults training in lockstep does not show.

Training in lockstep uses neither boolean nor fresh masks, and the concise version trains without
dropout. ``cross_entropy`` itself is not called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.backend import Backend, concise_backend
from d2ldrop.core.arrays import Rates
from d2ldrop.core.noise import LayerNoise
from d2ldrop.core.randomness import dropout_mask, normal_noise
from d2ldrop.core.recipe import NUM_INPUTS, NUM_OUTPUTS
from d2ldrop.training.short_training import short_recipe, short_weights

SHAPE = (512, 512)
RATE = 0.3
"""A probability that float32 cannot hold, and not 0.5: 1 - p differs from p."""
FALSE_ALARM = 1e-9
"""The largest probability that a correct generator is called wrong."""
ROUNDING = 8
"""The largest error of ``mask * X / (1 - p)``, in units of the number's precision."""
_UNIT_WEIGHTS = [
    np.zeros((NUM_INPUTS, 10)),
    np.ones(10),
    np.eye(10),
    np.zeros(10),
    np.eye(10),
    np.zeros(10),
]
"""W1, b1, W2, b2, W3, b3 of a network whose hidden units and logits are 1 without noise."""


def layer_faults(backend: Backend[Any], device: str = "cpu") -> list[str]:
    """What is wrong with fresh and boolean masks, ``manual_seed`` and ``cross_entropy``.

    The list is empty if all is right. The framework's generator is seeded.

    Args:
        backend: the framework's module.
        device: "cpu" or "gpu:N".
    """
    faults = list(_loss_faults(backend, device))
    for dtype in ("float64", "float32"):
        X = normal_noise(SHAPE, seed=0).astype(dtype)  # no element is 0
        faults += [*_given_mask_faults(backend, X, device), *_fresh_mask_faults(backend, X, device)]
        if faults:
            break  # float32 has the same

    def train(rates: Rates, X: Any, y: Any) -> list[npt.NDArray[Any]]:
        params = backend.init_params(_UNIT_WEIGHTS, device)
        noise = LayerNoise(rates[0]), LayerNoise(rates[1])
        steps = [backend.train_step(params, X, y, 1e-30, noise, 0) for _ in range(2)]
        return [np.array(backend.to_numpy(logits)) for _, _, logits in steps]

    return [*faults, *_faults_in_training("train_step", train, backend, device)]


def concise_faults(backend: Backend[Any], device: str = "cpu") -> list[str]:
    """What is wrong with the dropout of the concise version.

    The list is empty if all is right. The framework's generator is seeded.

    Args:
        backend: the framework's module; it has a concise version.
        device: "cpu" or "gpu:N".
    """
    recipe = short_recipe(0, "scratch")
    weights = list(short_weights(recipe).values())
    X = normal_noise((20, NUM_INPUTS), seed=0)
    concise = concise_backend(backend)
    net, _ = concise.concise_mlp(weights, recipe.dropout, recipe.lr, "dropout", device)
    predicted = backend.to_numpy(concise.concise_predict(net, backend.from_numpy(X, device)))
    faults = []
    if (fault := _differs(predicted, _logits(weights, X), 1e-10)) is not None:
        faults.append(f"concise_predict {fault}: does it drop units?")

    def train(rates: Rates, X: Any, y: Any) -> list[npt.NDArray[Any]]:
        net, trainer = concise.concise_mlp(_UNIT_WEIGHTS, rates, 1e-30, "dropout", device)
        steps = [concise.concise_step(net, trainer, X, y) for _ in range(2)]
        return [np.array(backend.to_numpy(logits)) for _, logits in steps]

    # Some frameworks round the scale of their own layer to float32.
    return [*faults, *_faults_in_training("concise_step", train, backend, device, 1e-6)]


def _logits(weights: Sequence[npt.NDArray[Any]], X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The logits (n, 10) of images X (n, 784), without noise."""
    W1, b1, W2, b2, W3, b3 = weights
    H = np.maximum(np.maximum(X @ W1 + b1, 0) @ W2 + b2, 0)
    logits: npt.NDArray[Any] = H @ W3 + b3
    return logits


def may_be_rate(dropped: int, n: int, p: float) -> bool:
    """Whether a generator with probability p may drop ``dropped`` of n elements.

    It is False with probability FALSE_ALARM at most, by Chernoff's bound: the fraction q of dropped
    elements has ``n KL(q, p) > log(2 / FALSE_ALARM)`` with this probability at most. KL is the
    Kullback-Leibler divergence of two Bernoulli distributions (Hoeffding, 1963, theorem 1).

    >>> may_be_rate(30_500, 100_000, 0.3), may_be_rate(31_000, 100_000, 0.3)
    (True, False)
    """
    q = dropped / n
    divergence = sum(a * math.log(a / b) for a, b in ((q, p), (1 - q, 1 - p)) if a > 0)
    return n * divergence <= math.log(2 / FALSE_ALARM)


def _given_mask_faults(backend: Backend[Any], X: npt.NDArray[Any], device: str) -> Iterator[str]:
    """Faults of ``dropout_layer`` with a boolean mask, and at the rates 0 and 1."""
    mask = dropout_mask(X.shape, RATE, seed=0)
    on_device = backend.from_numpy(X, device), backend.from_numpy(mask, device)
    for p, expected in ((RATE, mask * X / (1 - RATE)), (0.0, X), (1.0, 0 * X)):
        Y = backend.to_numpy(backend.dropout_layer(on_device[0], p, mask=on_device[1]))
        if (fault := _differs(Y, expected)) is not None:
            yield f"dropout_layer(X, {p:g}, mask=mask) of {X.dtype} {fault}"
            return


def _fresh_mask_faults(backend: Backend[Any], X: npt.NDArray[Any], device: str) -> Iterator[str]:
    """Faults of fresh masks and of ``manual_seed``."""
    on_device = backend.from_numpy(X, device)

    def draw() -> npt.NDArray[Any]:
        return np.array(backend.to_numpy(backend.dropout_layer(on_device, RATE)))

    backend.manual_seed(1)
    first, second = draw(), draw()
    backend.manual_seed(1)
    again = draw()
    backend.manual_seed(2)
    other = draw()
    layer = f"dropout_layer(X, {RATE:g}) of {X.dtype}"
    for Y in (first, second):
        if (fault := _differs(Y, (Y != 0) * X / (1 - RATE))) is not None:
            yield f"{layer} {fault} where it keeps X"
            return
    dropped = int((first == 0).sum() + (second == 0).sum())
    if not may_be_rate(dropped, 2 * X.size, RATE):
        yield f"{layer} drops {dropped / (2 * X.size):.4f} of the elements"
    if not np.array_equal(first, again):
        yield f"{layer} draws another mask after the same manual_seed"
    if np.array_equal(first, other):
        yield f"{layer} draws the same mask after another manual_seed"
    if np.array_equal(first, second):
        yield f"{layer} draws the same mask twice"


def _faults_in_training(
    name: str,
    train: Callable[[Rates, Any, Any], list[npt.NDArray[Any]]],
    backend: Backend[Any],
    device: str,
    rounding: float = 0,
) -> Iterator[str]:
    """Faults of fresh masks in training: their rates, their scale, and whether they are new.

    ``train`` returns the logits of two steps of the network _UNIT_WEIGHTS. Each is 0 where a hidden
    unit is dropped, else the product of both scales.
    """
    labels = np.arange(2000, dtype=np.int64) % NUM_OUTPUTS
    X = backend.from_numpy(np.zeros((len(labels), NUM_INPUTS)), device)
    y = backend.from_numpy(labels, device)
    backend.manual_seed(1)
    for first, second in ((0.3, 0.0), (0.0, 0.6), (0.3, 0.6)):
        what = f"{name} with fresh masks and dropout ({first:g}, {second:g})"
        keep = (1 - first) * (1 - second)
        logits, later = train((first, second), X, y)
        dropped = np.mean(logits == 0)
        if (fault := _differs(logits, (logits != 0) / keep, rounding)) is not None:
            yield f"{what} {fault}"
            return
        if not may_be_rate(int(dropped * logits.size), logits.size, 1 - keep):
            yield f"{what} drops {dropped:.3f} of the units, not {1 - keep:.3f}"
            return
        if np.allclose(logits, later):
            yield f"{what} draws the same masks in two steps"
            return


def _loss_faults(backend: Backend[Any], device: str) -> Iterator[str]:
    """Faults of ``cross_entropy``."""
    logits, y = 3 * normal_noise((20, 10), seed=0), np.arange(20, dtype=np.int64) % 10
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(20), y])
    on_device = backend.from_numpy(logits, device), backend.from_numpy(y, device)
    loss = backend.to_numpy(backend.cross_entropy(*on_device))
    if (fault := _differs(loss, np.array(expected))) is not None:
        yield f"cross_entropy {fault}"


def _differs(
    found: npt.NDArray[Any], expected: npt.NDArray[Any], rounding: float = 0
) -> str | None:
    """How ``found`` differs from what is right; None if it does not.

    The error may be ROUNDING units of the number's precision, or ``rounding`` if that is more.
    """
    found = np.asarray(found)
    if (found.dtype, found.shape) != (expected.dtype, expected.shape):
        return f"gives {found.dtype} of shape {found.shape}"
    error = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    limit = np.maximum(ROUNDING * np.finfo(expected.dtype).eps * np.abs(expected), rounding)
    if (error <= limit).all():  # False for NaN
        return None
    return f"is wrong by {np.max(error):.2g}"
