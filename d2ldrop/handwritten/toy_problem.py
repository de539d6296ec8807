"""A small data set in the plane, and the decision boundary of a network on it."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

from d2ldrop.core.checks import check_positive, check_real, check_word
from d2ldrop.handwritten.checks import Array, check_array
from d2ldrop.handwritten.network import forward_propagation


def toy_data(m: int, *, seed: int, noise: float = 0.35) -> tuple[Array, Array]:
    """Two interlocking half-circles of radius 1, with noise N(0, noise**2) on both coordinates.

    The noise makes them overlap. A wide network that is trained on few points (60, for example)
    learns the noise; dropout reduces this.

    Returns:
        ``X`` (2, m) in float64; ``Y`` (1, m), the labels 0 1 0 1 and so on.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: ``m`` is not positive, ``seed`` is outside [0, 2**64), or ``noise`` is not a
            finite number >= 0.
    """
    m = check_positive(m, "m")
    noise = check_real(noise, "noise", "a finite number >= 0", 0, sys.float_info.max)
    rng = np.random.default_rng((check_word(seed, "seed"), 2))
    Y = np.arange(m).reshape(1, m) % 2
    angle = np.pi * rng.random((1, m))
    sign = 1 - 2 * Y  # label 1 is upside down and shifted to the right by one radius
    X = np.concatenate([sign * np.cos(angle) + Y - 0.5, sign * np.sin(angle) + Y / 2 - 0.25])
    return X + noise * rng.standard_normal((2, m)), Y


def decision_boundary(
    parameters: Mapping[str, Array], X: Array, resolution: int = 100
) -> tuple[Array, Array, Array]:
    """The probability of label 1 on a grid that covers ``X`` (2, m) and a margin of 10%.

    Returns:
        ``xx``, ``yy`` and the probabilities, each (resolution, resolution): arguments for
        Matplotlib's ``contourf(xx, yy, probability, levels=[0, 0.5, 1])``.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: ``X`` or ``W1`` does not have two inputs, or ``resolution`` is not positive.
    """
    resolution = check_positive(resolution, "resolution")
    X = check_array(X, "X", (2, "m"))
    low, high = X.min(axis=1), X.max(axis=1)
    margin = np.where(high > low, 0.1 * (high - low), 1.0)
    xx, yy = np.meshgrid(*np.linspace(low - margin, high + margin, resolution).T)
    grid = np.stack([xx.ravel(), yy.ravel()])
    return xx, yy, forward_propagation(grid, parameters).reshape(xx.shape)
