"""A network and its inputs, used by several test modules."""

from __future__ import annotations

import numpy as np

from d2ldrop.handwritten import initialize_parameters
from d2ldrop.handwritten.checks import Array, KeepProb

SIZES = [(2, 1, 1, 1), (2, 4, 3, 1), (5, 10, 7, 1), (3, 8, 16, 1)]
KEEP_PROBS: list[KeepProb] = [1, 0.8, 0.5, (0.5, 0.9), [1, 0.3]]


def example(
    sizes: tuple[int, ...] = (3, 4, 2, 1), m: int = 6, dtype: str = "float64"
) -> tuple[Array, Array, dict[str, Array]]:
    """Return inputs, labels and parameters. No bias is 0."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((sizes[0], m)).astype(dtype)
    parameters = initialize_parameters(sizes, seed=5)
    for name in ("b1", "b2", "b3"):
        parameters[name] = 0.5 * rng.standard_normal(parameters[name].shape)
    Y = np.arange(m).reshape(1, m) % 2
    return X, Y, {name: values.astype(dtype) for name, values in parameters.items()}
