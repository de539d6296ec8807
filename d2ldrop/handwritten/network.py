"""Dropout forward and backward by hand: a binary classifier of three layers in plain NumPy.

LINEAR → RELU → DROPOUT → LINEAR → RELU → DROPOUT → LINEAR → SIGMOID, with every derivative written
out. The conventions are those of the well-known course exercise: columns are examples (``X`` is
(n_x, m), ``Y`` is (1, m)), weights are (n_l, n_(l-1)), biases are (n_l, 1), and ``keep_prob`` is
the probability to keep a unit. The rest of d2ldrop uses the probability to drop it.

This package uses no other framework. Read this module first, then ``gradient_checking``, which
compares the gradients with finite differences, then ``training``.

Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting"
(JMLR 15, 2014), section 4 for the model, section 10 for scaling by 1 / keep_prob while training.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from d2ldrop.handwritten.checks import (
    Array,
    Cache,
    KeepProb,
    Rng,
    check_array,
    check_cache,
    check_keep_prob,
    check_labels,
    check_network,
    check_rng,
    with_parameter_dtypes,
)


def relu(Z: Array) -> Array:
    """The larger of ``Z`` and 0, element by element, in the dtype of ``Z``."""
    return np.maximum(Z, np.zeros_like(Z))


def sigmoid(Z: Array) -> Array:
    """1 / (1 + exp(-Z)), element by element, in a form that does not overflow.

    The result has the dtype of ``Z`` if that is a floating-point dtype.
    """
    A: Array = np.exp(-np.logaddexp(np.zeros_like(Z), -Z))
    return A


def forward_propagation_with_dropout(
    X: Array, parameters: Mapping[str, Array], keep_prob: KeepProb = 0.5, *, rng: Rng
) -> tuple[Array, Cache]:
    """The network's output with a fresh mask on each hidden layer.

    Args:
        X: inputs (n_x, m), real and finite; they are cast to the dtype of the parameters.
        parameters: W1 (n_1, n_x), b1 (n_1, 1), W2 (n_2, n_1), b2 (n_2, 1), W3 (1, n_2), b3 (1, 1).
            If their dtypes differ, the widest one counts; integers count as float64.
        keep_prob: the probability in (0, 1] to keep a unit, or a pair: one per hidden layer.
        rng: a NumPy generator. Each hidden layer takes one ``rng.random((n_l, m))``, in order; a
            unit is kept if its number is < keep_prob.

    Returns:
        ``A3`` (1, m), the probabilities of label 1; and the cache for the backward pass,
        ``(Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, A3, W3, b3)``. D1 and D2 are the boolean
        masks. A1 and A2 are the activations after mask and scale. All numbers have the dtype of the
        parameters: float32 stays float32.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a value is out of range or not finite, or shapes do not fit.

    >>> from d2ldrop.handwritten import initialize_parameters, toy_data
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
    A1 = relu(Z1) * D1 / keep1  # dividing keeps the expected value: predict does not scale

    Z2 = W2 @ A1 + b2
    D2 = rng.random(Z2.shape) < keep2
    A2 = relu(Z2) * D2 / keep2

    Z3 = W3 @ A2 + b3
    A3 = sigmoid(Z3)
    return A3, (Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, A3, W3, b3)


def forward_propagation(X: Array, parameters: Mapping[str, Array]) -> Array:
    """The network's output (1, m) without dropout; same arguments and errors."""
    X, (W1, b1, W2, b2, W3, b3) = check_network(X, parameters)
    A1 = relu(W1 @ X + b1)
    A2 = relu(W2 @ A1 + b2)
    return sigmoid(W3 @ A2 + b3)


def compute_cost(A3: Array, Y: Array) -> float:
    """The mean cross-entropy of probabilities ``A3`` (1, m) and labels ``Y`` (1, m).

    Nothing is clipped: an ``A3`` of exactly 0 or 1 costs 0 if it is right, infinity if it is wrong.

    Raises:
        TypeError: ``A3`` or ``Y`` is not a NumPy array of real numbers.
        ValueError: a value of ``A3`` is outside [0, 1], a label is not 0 or 1, or a shape is not
            (1, m).

    >>> round(compute_cost(np.array([[0.5, 0.25]]), np.array([[1, 0]])), 4)
    0.4904
    """
    A3 = check_array(A3, "A3", (1, "m"))
    if not ((A3 >= 0) & (A3 <= 1)).all():
        wrong = A3[~((A3 >= 0) & (A3 <= 1))][0]
        raise ValueError(f"A3 must hold probabilities in [0, 1], got {wrong}")
    Y = check_labels(Y, A3.shape[1])
    likelihood = np.where(Y == 1, A3, 1 - A3)  # a sum would contain 0 * log(0), NaN
    with np.errstate(divide="ignore"):  # log(0) gives the infinite cost
        return float(np.mean(np.abs(np.log(likelihood)), dtype=np.float64))


def backward_propagation_with_dropout(
    X: Array, Y: Array, cache: Cache, keep_prob: KeepProb
) -> dict[str, Array]:
    """The gradients of the cost, with the masks and the scale of the forward pass.

    Args:
        X: inputs (n_x, m) of the forward pass.
        Y: labels (1, m), each 0 or 1.
        cache: the second result of ``forward_propagation_with_dropout``.
        keep_prob: as in the forward pass.

    Returns:
        ``dZ3 dW3 db3 dA2 dZ2 dW2 db2 dA1 dZ1 dW1 db1``: dW1 has the shape of W1, and so on. dW
        and db are averages over the m examples; each column of dZ and dA belongs to one example.
        dA1 and dA2 are the gradients after mask and scale. dW1 has the dtype of W1, and so on; dZ
        and dA have the widest dtype of the parameters. Integers count as float64.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a value is out of range or not finite, or shapes do not fit.
    """
    keep1, keep2 = check_keep_prob(keep_prob)
    X, cache = check_cache(X, cache)
    Z1, D1, A1, _, _, Z2, D2, A2, W2, _, _, A3, W3, _ = cache
    m = X.shape[1]
    Y = check_labels(Y, m).astype(A3.dtype)  # A3 - Y would be float64 if Y holds integers

    dZ3 = A3 - Y  # derivative of sigmoid and cross-entropy together
    dW3 = dZ3 @ A2.T / m
    db3 = dZ3.sum(axis=1, keepdims=True) / m

    dA2 = (W3.T @ dZ3) * D2 / keep2  # a dropped unit does not affect the cost
    dZ2 = dA2 * (Z2 > 0)
    dW2 = dZ2 @ A1.T / m
    db2 = dZ2.sum(axis=1, keepdims=True) / m

    dA1 = (W2.T @ dZ2) * D1 / keep1
    dZ1 = dA1 * (Z1 > 0)
    dW1 = dZ1 @ X.T / m
    db1 = dZ1.sum(axis=1, keepdims=True) / m

    gradients = {"dZ3": dZ3, "dW3": dW3, "db3": db3}
    gradients |= {"dA2": dA2, "dZ2": dZ2, "dW2": dW2, "db2": db2}
    gradients |= {"dA1": dA1, "dZ1": dZ1, "dW1": dW1, "db1": db1}
    return gradients | with_parameter_dtypes(gradients, cache)
