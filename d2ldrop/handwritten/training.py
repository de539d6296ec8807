"""Train the handwritten network by gradient descent, and predict labels with it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from d2ldrop.core.checks import check_positive, check_real, check_word
from d2ldrop.handwritten.checks import (
    PARAMETERS,
    Array,
    KeepProb,
    cast_array,
    check_array,
    check_keys,
    check_sizes,
    common_dtype,
)
from d2ldrop.handwritten.network import (
    backward_propagation_with_dropout,
    compute_cost,
    forward_propagation,
    forward_propagation_with_dropout,
)


def initialize_parameters(layer_sizes: Sequence[int], *, seed: int) -> dict[str, Array]:
    """Fresh float64 parameters for layer sizes (n_x, n_1, n_2, 1).

    Weights are N(0, 2 / fan-in), which keeps the variance through ReLU (He et al. 2015). Biases
    are 0.

    Raises:
        TypeError: a size or ``seed`` is not an integer.
        ValueError: ``layer_sizes`` is not a list of four positive integers that ends in 1, or
            ``seed`` is outside [0, 2**64).
    """
    sizes = check_sizes(layer_sizes, "layer_sizes", "(n_x, n_1, n_2, 1)", 4)
    if sizes[3] != 1:
        raise ValueError(f"layer_sizes must end in 1, the number of outputs, got {sizes[3]}")
    rng = np.random.default_rng((check_word(seed, "seed"), 1))
    parameters: dict[str, Array] = {}
    for layer, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        parameters[f"W{layer}"] = rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)
        parameters[f"b{layer}"] = np.zeros((n_out, 1))
    return parameters


def update_parameters(
    parameters: Mapping[str, Array], gradients: Mapping[str, Array], learning_rate: float
) -> dict[str, Array]:
    """Take one step of gradient descent; return new parameters, and do not change the old ones.

    Each parameter keeps its dtype, whatever the dtype of its gradient; integers become float64.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: ``learning_rate`` is not a finite number > 0, a parameter or its gradient is
            missing, or the two differ in shape.
    """
    learning_rate = check_real(
        learning_rate, "learning_rate", "a finite number > 0", 5e-324, sys.float_info.max
    )
    check_keys(parameters, "parameters", PARAMETERS)
    check_keys(gradients, "gradients", [f"d{name}" for name in PARAMETERS])
    updated = {}
    for n in PARAMETERS:
        W = check_array(parameters[n], f"{n} in parameters", ("rows", "columns"))
        dW = check_array(gradients[f"d{n}"], f"d{n} in gradients", (W.shape[0], W.shape[1]))
        dW = cast_array(dW, f"d{n} in gradients", common_dtype([W]))
        updated[n] = W - learning_rate * dW
    return updated


def train(
    X: Array,
    Y: Array,
    hidden_sizes: Sequence[int] = (128, 64),
    *,
    keep_prob: KeepProb = 0.5,
    learning_rate: float = 0.5,
    num_iterations: int = 3000,
    seed: int = 0,
) -> tuple[dict[str, Array], list[float]]:
    """Train by gradient descent on all m examples, with fresh masks in every iteration.

    Args:
        X, Y: inputs (n_x, m) and labels (1, m); the training is in float64.
        hidden_sizes: (n_1, n_2).
        keep_prob: as in the forward pass; 1 trains without dropout.
        learning_rate: a finite number > 0.
        num_iterations: the number of updates.
        seed: chooses the initial weights and all masks, an integer in [0, 2**64).

    Returns:
        The trained parameters, and the cost of each iteration with its masks, before its update.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a value is out of range or not finite, or shapes do not fit.
    """
    sizes = check_sizes(hidden_sizes, "hidden_sizes", "(n_1, n_2)", 2)
    num_iterations = check_positive(num_iterations, "num_iterations")
    X = check_array(X, "X", ("n_x", "m"))
    parameters = initialize_parameters((X.shape[0], *sizes, 1), seed=seed)
    rng = np.random.default_rng(seed)
    costs = []
    for _ in range(num_iterations):
        A3, cache = forward_propagation_with_dropout(X, parameters, keep_prob, rng=rng)
        costs.append(compute_cost(A3, Y))
        gradients = backward_propagation_with_dropout(X, Y, cache, keep_prob)
        parameters = update_parameters(parameters, gradients, learning_rate)
    return parameters, costs


def predict(parameters: Mapping[str, Array], X: Array) -> Array:
    """Labels (1, m) of ``X`` (n_x, m), without dropout: 1 where the probability exceeds 0.5."""
    return (forward_propagation(X, parameters) > 0.5).astype(int)
