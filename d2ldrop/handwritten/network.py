"""Dropout forward and backward by hand: a binary classifier of three layers in plain NumPy.

LINEAR → RELU → DROPOUT → LINEAR → RELU → DROPOUT → LINEAR → SIGMOID, every derivative written out
and checked against finite differences. It keeps the convention of the well-known course exercise:
features × examples (``X`` is (n_x, m), ``Y`` is (1, m)), weights (n_l, n_(l-1)), biases (n_l, 1),
and ``keep_prob``, the probability to keep, where the rest of d2ldrop has the one to drop.

Nothing here knows another framework, and nothing is hidden: read it from top to bottom.

Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting"
(JMLR 15, 2014), section 4 for the model, section 10 for scaling by 1 / keep_prob while training.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from d2ldrop.core.checks import check_positive, check_real, check_word
from d2ldrop.handwritten.checks import (
    PARAMETERS,
    Array,
    Cache,
    KeepProb,
    Rng,
    check_array,
    check_cache,
    check_keep_prob,
    check_keys,
    check_labels,
    check_network,
    check_rng,
    check_sizes,
)

# The network: forward, cost, backward


def relu(Z: Array) -> Array:
    """The larger of ``Z`` and 0, element by element."""
    return np.maximum(Z, 0)


def sigmoid(Z: Array) -> Array:
    """1 / (1 + exp(-Z)), element by element, written so that no exponential overflows."""
    A: Array = np.exp(-np.logaddexp(0, -Z))
    return A


def forward_propagation_with_dropout(
    X: Array, parameters: Mapping[str, Array], keep_prob: KeepProb = 0.5, *, rng: Rng
) -> tuple[Array, Cache]:
    """The network's output with a fresh mask on each hidden layer.

    Args:
        X: inputs (n_x, m), real and finite.
        parameters: W1 (n_1, n_x), b1 (n_1, 1), W2 (n_2, n_1), b2 (n_2, 1), W3 (1, n_2), b3 (1, 1).
        keep_prob: the probability in (0, 1] to keep a unit, or a pair, one a hidden layer.
        rng: draws ``rng.random((n_l, m))`` once a hidden layer, in order; a draw < keep_prob keeps.

    Returns:
        ``A3``, the probabilities of label 1, (1, m); and the cache for the backward pass,
        ``(Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, A3, W3, b3)``: D1 and D2 are the masks,
        booleans, and A1 and A2 are taken after mask and scale. float32 in, float32 out.

    Raises:
        TypeError, ValueError: an argument is none of the above.

    >>> X, Y = toy_data(4, seed=0)
    >>> parameters = initialize_parameters((2, 8, 4, 1), seed=0)
    >>> A3, cache = forward_propagation_with_dropout(X, parameters, rng=np.random.default_rng(0))
    >>> A3.shape, len(cache)
    ((1, 4), 14)
    """
    X, (W1, b1, W2, b2, W3, b3) = check_network(X, parameters)
    keep1, keep2 = check_keep_prob(keep_prob)
    check_rng(rng)

    Z1 = W1 @ X + b1
    D1 = rng.random(Z1.shape) < keep1
    A1 = relu(Z1) * D1 / keep1  # dividing keeps the expectation, so that predict need not scale

    Z2 = W2 @ A1 + b2
    D2 = rng.random(Z2.shape) < keep2
    A2 = relu(Z2) * D2 / keep2

    Z3 = W3 @ A2 + b3
    A3 = sigmoid(Z3)
    return A3, (Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, A3, W3, b3)


def forward_propagation(X: Array, parameters: Mapping[str, Array]) -> Array:
    """The network's output (1, m) without dropout; arguments and errors as with dropout."""
    X, (W1, b1, W2, b2, W3, b3) = check_network(X, parameters)
    A1 = relu(W1 @ X + b1)
    A2 = relu(W2 @ A1 + b2)
    return sigmoid(W3 @ A2 + b3)


def compute_cost(A3: Array, Y: Array) -> float:
    """The cross-entropy of probabilities ``A3`` (1, m) and labels ``Y`` (1, m), over m averaged.

    An ``A3`` of exactly 0 or 1 costs 0 where it is right and infinity where it is wrong: nothing
    is clipped.

    Raises:
        TypeError, ValueError: ``A3`` holds no probabilities, or ``Y`` no labels 0 and 1, of shape
            (1, m) both.

    >>> round(compute_cost(np.array([[0.5, 0.25]]), np.array([[1, 0]])), 4)
    0.4904
    """
    A3 = check_array(A3, "A3", (1, "m"))
    if not ((A3 >= 0) & (A3 <= 1)).all():
        wrong = A3[~((A3 >= 0) & (A3 <= 1))][0]  # NaN, too
        raise ValueError(f"A3 must hold probabilities in [0, 1], got {wrong}")
    Y = check_labels(Y, A3.shape[1])
    likelihood = np.where(Y == 1, A3, 1 - A3)  # picked, not summed: 0 * log(0) would be NaN
    with np.errstate(divide="ignore"):  # log(0) is the infinity promised above
        return float(np.mean(np.abs(np.log(likelihood)), dtype=np.float64))


def backward_propagation_with_dropout(
    X: Array, Y: Array, cache: Cache, keep_prob: KeepProb
) -> dict[str, Array]:
    """The gradients of the cost: through each dropout with the forward pass's mask and scale.

    Args:
        X: inputs (n_x, m), those of the forward pass.
        Y: labels (1, m), each 0 or 1.
        cache: what ``forward_propagation_with_dropout`` returned.
        keep_prob: the forward pass's.

    Returns:
        ``dZ3 dW3 db3 dA2 dZ2 dW2 db2 dA1 dZ1 dW1 db1``, each of the shape of what it is the
        gradient of. Averaging over m happens in dW and db: dZ and dA are an example's own. dA1 and
        dA2 are taken after mask and scale.

    Raises:
        TypeError, ValueError: an argument is none of the above, or shapes do not fit.
    """
    keep1, keep2 = check_keep_prob(keep_prob)
    X, (Z1, D1, A1, _, _, Z2, D2, A2, W2, _, _, A3, W3, _) = check_cache(X, cache)
    m = X.shape[1]
    Y = check_labels(Y, m)

    dZ3 = A3 - Y  # sigmoid and cross-entropy together: the fractions cancel
    dW3 = dZ3 @ A2.T / m
    db3 = dZ3.sum(axis=1, keepdims=True) / m

    dA2 = (W3.T @ dZ3) * D2 / keep2  # what was dropped has no part in the cost
    dZ2 = dA2 * (Z2 > 0)
    dW2 = dZ2 @ A1.T / m
    db2 = dZ2.sum(axis=1, keepdims=True) / m

    dA1 = (W2.T @ dZ2) * D1 / keep1
    dZ1 = dA1 * (Z1 > 0)
    dW1 = dZ1 @ X.T / m
    db1 = dZ1.sum(axis=1, keepdims=True) / m

    gradients = {"dZ3": dZ3, "dW3": dW3, "db3": db3}
    gradients |= {"dA2": dA2, "dZ2": dZ2, "dW2": dW2, "db2": db2}
    return gradients | {"dA1": dA1, "dZ1": dZ1, "dW1": dW1, "db1": db1}


def gradient_check(
    parameters: Mapping[str, Array], X: Array, Y: Array, keep_prob: KeepProb = 0.5, seed: int = 0
) -> float:
    """How far backward propagation (g) is from central finite differences (g') of the cost.

    Both in float64 and under the same masks, for each forward pass starts a generator from
    ``seed``. The biases are moved by about 0.01 first: a fresh network's are 0, and under an
    example whose units are all dropped that is ReLU's kink, where there is no derivative.

    Returns:
        ``||g - g'|| / (||g|| + ||g'||)`` over all parameters: below 1e-7 if the gradients are
        right, unless (rarely) a ReLU switches within a step of 1e-6.

    Raises:
        TypeError, ValueError: as the forward and the backward pass; ``seed`` is no integer in
            [0, 2**64).

    >>> X, Y = toy_data(20, seed=0)
    >>> gradient_check(initialize_parameters((2, 8, 4, 1), seed=0), X, Y, 0.8) < 1e-7
    True
    """
    seed, step = check_word(seed, "seed"), 1e-6
    X, values = check_network(X, parameters)
    X = X.astype(float)
    theta: dict[str, Array] = {n: v.astype(float) for n, v in zip(PARAMETERS, values, strict=True)}
    nudge = np.random.default_rng((seed, 1))
    for b in (theta["b1"], theta["b2"]):
        b += 0.01 * nudge.standard_normal(b.shape)

    def forward() -> Cache:
        rng = np.random.default_rng(seed)  # a fresh one: the same masks every time
        return forward_propagation_with_dropout(X, theta, keep_prob, rng=rng)[1]

    def cost() -> float:
        Z3 = forward()[10]  # not from A3: 1 - A3 has lost the digits that a difference needs
        return float(np.mean(np.logaddexp(0, Z3) - Y * Z3))

    gradients = backward_propagation_with_dropout(X, Y, forward(), keep_prob)
    by_hand = np.concatenate([gradients[f"d{name}"].ravel() for name in PARAMETERS])
    by_difference = []
    for name in PARAMETERS:
        for index in np.ndindex(theta[name].shape):
            centre = theta[name][index]
            theta[name][index] = centre + step
            above = cost()
            theta[name][index] = centre - step
            below = cost()
            theta[name][index] = centre
            by_difference.append((above - below) / (2 * step))
    norms = np.linalg.norm(by_hand) + np.linalg.norm(by_difference)
    return float(np.linalg.norm(by_hand - by_difference) / norms) if norms else 0.0


# Training


def initialize_parameters(layer_sizes: Sequence[int], *, seed: int) -> dict[str, Array]:
    """Fresh float64 parameters for layer sizes (n_x, n_1, n_2, 1).

    Weights are N(0, 2 / fan-in), which keeps the variance through ReLU; biases are 0.

    Raises:
        TypeError, ValueError: no four positive integers, the last 1; ``seed`` no integer in
            [0, 2**64).
    """
    sizes = check_sizes(layer_sizes, "layer_sizes", "(n_x, n_1, n_2, 1)", 4)
    if sizes[3] != 1:
        raise ValueError(f"layer_sizes must end in 1, the one probability, got {sizes[3]}")
    rng = np.random.default_rng((check_word(seed, "seed"), 1))
    parameters: dict[str, Array] = {}
    for layer, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        parameters[f"W{layer}"] = rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)
        parameters[f"b{layer}"] = np.zeros((n_out, 1))
    return parameters


def update_parameters(
    parameters: Mapping[str, Array], gradients: Mapping[str, Array], learning_rate: float
) -> dict[str, Array]:
    """One step of gradient descent: new parameters; those given stay as they are.

    Raises:
        TypeError, ValueError: ``learning_rate`` is no finite number > 0, a parameter or its
            gradient is missing, or the two differ in shape.
    """
    learning_rate = check_real(
        learning_rate, "learning_rate", "a finite number > 0", 5e-324, sys.float_info.max
    )
    check_keys(parameters, "parameters", PARAMETERS)
    check_keys(gradients, "gradients", [f"d{name}" for name in PARAMETERS])
    for n in PARAMETERS:
        W = check_array(parameters[n], f"{n} in parameters", ("rows", "columns"))
        check_array(gradients[f"d{n}"], f"d{n} in gradients", (W.shape[0], W.shape[1]))
    return {n: parameters[n] - learning_rate * gradients[f"d{n}"] for n in PARAMETERS}


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
    """Gradient descent on all m examples at once, with fresh masks in every iteration.

    Args:
        X, Y: inputs (n_x, m) and labels (1, m).
        hidden_sizes: (n_1, n_2).
        keep_prob: as in the forward pass; 1 trains without dropout.
        learning_rate: a positive number.
        num_iterations: how many updates, a positive integer.
        seed: decides the initial weights and all masks.

    Returns:
        The parameters; and the cost before each update, taken under that iteration's masks.

    Raises:
        TypeError, ValueError: an argument is none of the above.
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


# To look at


def toy_data(m: int, *, seed: int, noise: float = 0.35) -> tuple[Array, Array]:
    """Two interlocking half-circles of radius 1, with N(0, noise**2) on both coordinates.

    They overlap, so a wide network with few points (60, say) learns the noise, unless it drops.

    Returns:
        ``X`` (2, m) in float64 and ``Y`` (1, m): labels 0 and 1 in turn.

    Raises:
        TypeError, ValueError: ``m`` is no positive integer, ``seed`` none in [0, 2**64), or
            ``noise`` no finite number >= 0.
    """
    m = check_positive(m, "m")
    noise = check_real(noise, "noise", "a finite number >= 0", 0, sys.float_info.max)
    rng = np.random.default_rng((check_word(seed, "seed"), 2))
    Y = np.arange(m).reshape(1, m) % 2
    angle = np.pi * rng.random((1, m))
    sign = 1 - 2 * Y  # the half-circle of label 1 hangs upside down, half a diameter aside
    X = np.concatenate([sign * np.cos(angle) + Y - 0.5, sign * np.sin(angle) + Y / 2 - 0.25])
    return X + noise * rng.standard_normal((2, m)), Y


def decision_boundary(
    parameters: Mapping[str, Array], X: Array, resolution: int = 100
) -> tuple[Array, Array, Array]:
    """The probability of label 1 on a grid over ``X`` (2, m) and a tenth of its range around.

    Returns:
        ``xx``, ``yy`` and the probabilities, each (resolution, resolution), as Matplotlib's
        ``contourf(xx, yy, probability, levels=[0, 0.5, 1])`` takes them.

    Raises:
        TypeError, ValueError: ``X`` or ``parameters`` are not for two inputs, or ``resolution``
            is no positive integer.
    """
    resolution = check_positive(resolution, "resolution")
    X = check_array(X, "X", (2, "m"))
    low, high = X.min(axis=1), X.max(axis=1)
    margin = np.where(high > low, 0.1 * (high - low), 1.0)
    xx, yy = np.meshgrid(*np.linspace(low - margin, high + margin, resolution).T)
    grid = np.stack([xx.ravel(), yy.ravel()])
    return xx, yy, forward_propagation(grid, parameters).reshape(xx.shape)
