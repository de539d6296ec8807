"""Each bad argument raises an error before any computation."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from d2ldrop.handwritten import (
    backward_propagation_with_dropout,
    compute_cost,
    decision_boundary,
    forward_propagation_with_dropout,
    gradient_check,
    initialize_parameters,
    predict,
    toy_data,
    train,
    update_parameters,
)
from d2ldrop.handwritten.checks import CACHE, Array
from tests.handwritten.examples import example

# Each case has a call, the exception and the message.
Case = tuple[Callable[[], object], type[Exception], str]
X0, Y0, P0 = example()
CACHE0 = forward_propagation_with_dropout(X0, P0, rng=np.random.default_rng(0))[1]


def forward(X: Any = X0, P: Any = P0, keep_prob: Any = 0.5, rng: Any = None) -> object:
    rng = np.random.default_rng(0) if rng is None else rng
    return forward_propagation_with_dropout(X, P, keep_prob, rng=rng)


def backward(X: Any = X0, Y: Any = Y0, cache: Any = CACHE0, keep_prob: Any = 0.5) -> object:
    return backward_propagation_with_dropout(X, Y, cache, keep_prob)


def cached(name: str, value: Any) -> Any:
    return tuple(value if n == name else v for n, v in zip(CACHE, CACHE0, strict=True))


def with_nan(values: Array) -> Array:
    return np.where(np.arange(values.size).reshape(values.shape) == 1, np.nan, values)


KEEP = r"keep_prob must be a probability in \(0, 1\], or a pair of them, got "
BAD_KEEP_PROB: dict[str, tuple[Any, type[Exception], str]] = {
    "zero": (0, ValueError, KEEP + "0"),
    "above 1": (1.5, ValueError, KEEP + "1.5"),
    "negative": (-0.5, ValueError, KEEP + "-0.5"),
    "NaN": (float("nan"), ValueError, KEEP + "nan"),
    "text": ("0.5", TypeError, KEEP + "'0.5' of type str"),
    "None": (None, TypeError, KEEP + "None of type NoneType"),
    "bool": (True, TypeError, KEEP + "True of type bool"),
    "complex": (0.5j, TypeError, KEEP + "0.5j of type complex"),
    "0-d array": (np.array(0.5), TypeError, KEEP + r"array\(0.5\) of type ndarray"),
    "one": ([0.5], ValueError, KEEP + "1 numbers"),
    "three": ((0.5, 0.5, 0.5), ValueError, KEEP + "3 numbers"),
    "ragged": ([0.5, [0.5, 0.5]], TypeError, KEEP + r"\[0.5, 0.5\] of type list"),
    "pair with zero": ((0.5, 0), ValueError, KEEP + "0"),
    "pair with NaN": ((float("nan"), 0.5), ValueError, KEEP + "nan"),
    "pair with text": ((0.5, "1"), TypeError, KEEP + "'1' of type str"),
}


@pytest.mark.parametrize("case", BAD_KEEP_PROB)
def test_a_bad_keep_prob_is_refused(case: str) -> None:
    keep_prob, exception, message = BAD_KEEP_PROB[case]
    calls: list[Callable[[], object]] = [
        lambda: forward(keep_prob=keep_prob),
        lambda: backward(keep_prob=keep_prob),
        lambda: gradient_check(P0, X0, Y0, keep_prob),
        lambda: train(X0, Y0, keep_prob=keep_prob),
    ]
    for call in calls:
        with pytest.raises(exception, match=message):
            call()


BAD: dict[str, Case] = {
    "X list": (lambda: forward(X=[[1.0]]), TypeError, "X must be a NumPy array .* got list"),
    "X text": (lambda: forward(X=np.array([["1"]])), TypeError, "X must be .* got dtype <U1"),
    "X complex": (lambda: forward(X=X0 * 1j), TypeError, "X must be .* got dtype complex128"),
    "X 1-d": (lambda: forward(X=X0[0]), ValueError, r"X must have shape \(n_x, m\), got \(6,\)"),
    "X empty": (
        lambda: forward(X=X0[:, :0]),
        ValueError,
        r"X must have shape \(n_x, m\) with sizes above 0, got \(3, 0\)",
    ),
    "X NaN": (lambda: forward(X=with_nan(X0)), ValueError, "X must be finite, got nan"),
    "parameters list": (lambda: forward(P=[1]), TypeError, "parameters must be a dict .* got list"),
    "parameters lacking": (
        lambda: forward(P={k: v for k, v in P0.items() if k != "b2"}),
        ValueError,
        "parameters must be a dict with W1 b1 W2 b2 W3 b3, got no b2",
    ),
    "four layers": (
        lambda: forward(P=P0 | {"W4": P0["W3"]}),
        ValueError,
        "three layers, got W4 too",
    ),
    "W1": (
        lambda: forward(P=P0 | {"W1": P0["W1"].T}),
        ValueError,
        r"W1 in parameters must have shape \(n_1, 3\), got \(3, 4\)",
    ),
    "b1 flat": (
        lambda: forward(P=P0 | {"b1": np.zeros(4)}),
        ValueError,
        r"b1 in parameters must have shape \(4, 1\), got \(4,\)",
    ),
    "W2": (
        lambda: forward(P=P0 | {"W2": np.ones((2, 5))}),
        ValueError,
        r"W2 in parameters must have shape \(n_2, 4\), got \(2, 5\)",
    ),
    "W2 NaN": (lambda: forward(P=P0 | {"W2": with_nan(P0["W2"])}), ValueError, "W2 .* got nan"),
    "W3": (
        lambda: forward(P=P0 | {"W3": np.ones((2, 2))}),
        ValueError,
        r"W3 in parameters must have shape \(1, 2\), got \(2, 2\)",
    ),
    "rng None": (lambda: forward(rng=0), TypeError, r"as numpy.random.default_rng\(0\), got 0"),
    "rng stdlib": (lambda: forward(rng=random.Random(0)), TypeError, "rng must be .* got <random"),
    "backward X": (
        lambda: backward(X=X0[:, :5]),
        ValueError,
        r"Z1 in cache must have shape \(4, 5\), got \(4, 6\)",
    ),
    "backward X rows": (
        lambda: backward(X=X0[:2]),
        ValueError,
        r"W1 in cache must have shape \(n_1, 2\), got \(4, 3\)",
    ),
    "Y shape": (
        lambda: backward(Y=Y0[:, :5]),
        ValueError,
        r"Y must have shape \(1, 6\), got \(1, 5\)",
    ),
    "Y flat": (lambda: backward(Y=Y0[0]), ValueError, r"Y must have shape \(1, 6\), got \(6,\)"),
    "Y list": (lambda: backward(Y=[[0] * 6]), TypeError, "Y must be a NumPy array .* got list"),
    "Y label": (
        lambda: backward(Y=2 * Y0),
        ValueError,
        "Y must hold only the labels 0 and 1, got 2",
    ),
    "Y fraction": (lambda: backward(Y=Y0 / 2), ValueError, "only the labels 0 and 1, got 0.5"),
    "Y NaN": (lambda: backward(Y=with_nan(Y0)), ValueError, "Y must be finite, got nan"),
    "cache dict": (lambda: backward(cache={}), TypeError, r"cache must be the tuple .* got dict"),
    "cache short": (
        lambda: backward(cache=CACHE0[:12]),
        TypeError,
        r"cache must be the tuple \(Z1, D1, A1, W1, b1, Z2, .* W3, b3\), got 12 entries",
    ),
    "cache mask": (
        lambda: backward(cache=cached("D2", np.ones((2, 1)))),
        ValueError,
        r"D2 in cache must have shape \(2, 6\), got \(2, 1\)",
    ),
    "cost Y": (
        lambda: compute_cost(CACHE0[11], Y0[:, :5]),
        ValueError,
        r"Y must have shape \(1, 6\), got \(1, 5\)",
    ),
    "cost A3 shape": (
        lambda: compute_cost(CACHE0[11].T, Y0),
        ValueError,
        r"A3 must have shape \(1, m\), got \(6, 1\)",
    ),
    "cost A3": (
        lambda: compute_cost(CACHE0[11] + 1, Y0),
        ValueError,
        r"A3 must hold probabilities in \[0, 1\], got 1\.",
    ),
    "cost NaN": (
        lambda: compute_cost(with_nan(CACHE0[11]), Y0),
        ValueError,
        "A3 must be finite, got nan",
    ),
    "check Y": (
        lambda: gradient_check(P0, X0, 3 * Y0),
        ValueError,
        "only the labels 0 and 1, got 3",
    ),
    "check seed": (lambda: gradient_check(P0, X0, Y0, 0.5, -1), ValueError, "seed must be .*-1"),
    "train Y": (lambda: train(X0, Y0.T), ValueError, r"Y must have shape \(1, 6\), got \(6, 1\)"),
    "train X": (lambda: train(X0[0], Y0), ValueError, r"X must have shape \(n_x, m\)"),
    "train sizes": (
        lambda: train(X0, Y0, (3, 0)),
        ValueError,
        r"hidden_sizes\[1\] must be a positive integer, got 0",
    ),
    "train three sizes": (
        lambda: train(X0, Y0, (3, 2, 1)),
        ValueError,
        r"hidden_sizes must be \(n_1, n_2\), got \(3, 2, 1\)",
    ),
    "train rate": (
        lambda: train(X0, Y0, learning_rate=0),
        ValueError,
        "learning_rate must be a finite number > 0, got 0",
    ),
    "train rate NaN": (
        lambda: train(X0, Y0, learning_rate=float("nan")),
        ValueError,
        "learning_rate must be .* got nan",
    ),
    "train iterations": (
        lambda: train(X0, Y0, num_iterations=0),
        ValueError,
        "num_iterations must be a positive integer, got 0",
    ),
    "train seed": (lambda: train(X0, Y0, seed=2**64), ValueError, "seed must be an integer in"),
    "update rate": (
        lambda: update_parameters(P0, {f"d{k}": v for k, v in P0.items()}, np.inf),
        ValueError,
        "learning_rate must be a finite number > 0, got inf",
    ),
    "update lacking": (
        lambda: update_parameters(P0, {}, 0.1),
        ValueError,
        "gradients must be a dict with dW1 db1 .* got no dW1",
    ),
    "update shape": (
        lambda: update_parameters(P0, {f"d{k}": v[:1] for k, v in P0.items()}, 0.1),
        ValueError,
        r"dW1 in gradients must have shape \(4, 3\), got \(1, 3\)",
    ),
    "sizes count": (
        lambda: initialize_parameters((2, 3, 1), seed=0),
        ValueError,
        r"layer_sizes must be \(n_x, n_1, n_2, 1\), got \(2, 3, 1\)",
    ),
    "sizes float": (
        lambda: initialize_parameters((2, 3.0, 2, 1), seed=0),  # type: ignore[arg-type]  # a wrong type on purpose
        TypeError,
        r"layer_sizes\[1\] must be a positive integer, got 3.0 of type float",
    ),
    "sizes last": (
        lambda: initialize_parameters((2, 3, 2, 2), seed=0),
        ValueError,
        "layer_sizes must end in 1, the number of outputs, got 2",
    ),
    "predict X": (lambda: predict(P0, X0[:2]), ValueError, r"W1 in parameters must have shape"),
    "toy m": (lambda: toy_data(0, seed=0), ValueError, "m must be a positive integer, got 0"),
    "toy m bool": (lambda: toy_data(True, seed=0), TypeError, "m must be .* got True of type bool"),
    "toy noise": (
        lambda: toy_data(9, seed=0, noise=-1),
        ValueError,
        "noise must be a finite number >= 0, got -1",
    ),
    "toy seed": (lambda: toy_data(9, seed=-1), ValueError, "seed must be an integer in .* got -1"),
    "boundary X": (
        lambda: decision_boundary(P0, X0),
        ValueError,
        r"X must have shape \(2, m\), got \(3, 6\)",
    ),
    "boundary parameters": (
        lambda: decision_boundary(P0, X0[:2]),
        ValueError,
        r"W1 in parameters must have shape \(n_1, 2\), got \(4, 3\)",
    ),
    "boundary resolution": (
        lambda: decision_boundary(P0, X0[:2], 0),
        ValueError,
        "resolution must be a positive integer, got 0",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused(case: str) -> None:
    call, exception, message = BAD[case]
    with pytest.raises(exception, match=message):
        call()


@pytest.mark.parametrize(
    "bad", [{"keep_prob": 2}, {"P": P0 | {"W3": P0["W2"]}}, {"X": X0 + np.inf}]
)
def test_an_error_is_raised_before_any_draw(bad: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="must"):
        forward(rng=rng, **bad)
    assert rng.random() == np.random.default_rng(0).random()
