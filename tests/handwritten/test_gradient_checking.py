"""The gradient check passes for correct gradients and fails if one gradient is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from d2ldrop.handwritten import (
    backward_propagation_with_dropout,
    gradient_check,
    initialize_parameters,
    network,
)
from d2ldrop.handwritten.checks import Array, KeepProb
from tests.handwritten.examples import KEEP_PROBS, SIZES, example


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("keep_prob", KEEP_PROBS, ids=str)
@pytest.mark.parametrize("fresh", [False, True])
def test_correct_gradients_pass_the_check(
    sizes: tuple[int, ...], keep_prob: KeepProb, fresh: bool
) -> None:
    X, Y, parameters = example(sizes, m=10)
    if fresh:  # all biases are 0: if all units are dropped, ReLU is at its kink
        parameters = initialize_parameters(sizes, seed=1)
    for seed in range(3):
        assert gradient_check(parameters, X, Y, keep_prob, seed) < 1e-7


@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2", "W3", "b3"])
def test_one_wrong_gradient_fails_the_check(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: Any) -> dict[str, Array]:
        gradients = backward_propagation_with_dropout(*arguments)
        return gradients | {f"d{name}": 1.0001 * gradients[f"d{name}"]}

    X, Y, parameters = example((2, 8, 4, 1), m=20)
    assert gradient_check(parameters, X, Y) < 1e-7
    monkeypatch.setattr(network, "backward_propagation_with_dropout", wrong)
    assert gradient_check(parameters, X, Y) > 1e-7


def test_the_error_is_0_if_all_gradients_are_0() -> None:
    """If the network is certain and right, both gradients are 0. The error is 0 then, not NaN."""
    X, _, parameters = example()
    parameters["b3"][:] = 1e6
    assert gradient_check(parameters, X, np.ones((1, 6))) == 0


def test_float32_parameters_are_checked_in_float64() -> None:
    X, Y, parameters = example(dtype="float32")
    assert gradient_check(parameters, X, Y) < 1e-7


def test_arguments_do_not_change() -> None:
    X, Y, parameters = example()
    before = [values.copy() for values in (X, Y, *parameters.values())]
    gradient_check(parameters, X, Y)
    for one, other in zip((X, Y, *parameters.values()), before, strict=True):
        np.testing.assert_array_equal(one, other)
