"""Compare the gradients of backward propagation with finite differences of the cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from d2ldrop.core.checks import check_word
from d2ldrop.handwritten import network
from d2ldrop.handwritten.checks import PARAMETERS, Array, Cache, KeepProb, check_network


def gradient_check(
    parameters: Mapping[str, Array], X: Array, Y: Array, keep_prob: KeepProb = 0.5, seed: int = 0
) -> float:
    """The relative error of backward propagation (g) against central differences (g').

    Both are computed in float64 with the same masks: each forward pass starts a new generator from
    ``seed``. Each bias of a hidden layer is first changed by about 0.01, because the biases of a
    fresh network are 0. With b2 = 0, Z2 is exactly 0 where all units of the first hidden layer are
    dropped, and ReLU has no derivative at 0.

    Args:
        parameters, X, Y, keep_prob: as in the forward and the backward pass.
        seed: chooses the masks, an integer in [0, 2**64).

    Returns:
        ``||g - g'|| / (||g|| + ||g'||)`` over all parameters. It is below 1e-7 if the gradients are
        right, except in the rare case that a Z crosses 0 within one step of 1e-6.

    Raises:
        TypeError, ValueError: as in the forward and the backward pass, and for a bad ``seed``.

    >>> from d2ldrop.handwritten import initialize_parameters, toy_data
    >>> X, Y = toy_data(20, seed=0)
    >>> gradient_check(initialize_parameters((2, 8, 4, 1), seed=0), X, Y, 0.8) < 1e-7
    True
    """
    seed, step = check_word(seed, "seed"), 1e-6
    _, values = check_network(X, parameters)
    X = np.asarray(X, float)
    theta: dict[str, Array] = {n: v.astype(float) for n, v in zip(PARAMETERS, values, strict=True)}
    nudge = np.random.default_rng((seed, 1))
    for b in (theta["b1"], theta["b2"]):
        b += 0.01 * nudge.standard_normal(b.shape)

    def forward() -> Cache:
        rng = np.random.default_rng(seed)  # a new generator: the same masks
        return network.forward_propagation_with_dropout(X, theta, keep_prob, rng=rng)[1]

    def cost() -> float:
        Z3 = forward()[10]  # use Z3: 1 - A3 would lose digits that the difference needs
        return float(np.mean(np.logaddexp(0, Z3) - Y * Z3))

    gradients = network.backward_propagation_with_dropout(X, Y, forward(), keep_prob)
    by_hand = np.concatenate([gradients[f"d{name}"].ravel() for name in PARAMETERS])
    by_difference = central_differences(cost, theta, step)
    norms = np.linalg.norm(by_hand) + np.linalg.norm(by_difference)
    return float(np.linalg.norm(by_hand - by_difference) / norms) if norms else 0.0


def central_differences(
    cost: Callable[[], float], theta: Mapping[str, Array], step: float
) -> Array:
    """Differentiate ``cost`` by each element of each parameter, in the order of PARAMETERS.

    ``cost`` reads the arrays of ``theta``. They change during the call and are restored.
    """
    differences = []
    for name in PARAMETERS:
        for index in np.ndindex(theta[name].shape):
            centre = theta[name][index]
            theta[name][index] = centre + step
            above = cost()
            theta[name][index] = centre - step
            below = cost()
            theta[name][index] = centre
            differences.append((above - below) / (2 * step))
    return np.array(differences)
