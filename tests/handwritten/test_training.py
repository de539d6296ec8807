"""Training learns, is reproducible, and takes the documented steps."""

from __future__ import annotations

import numpy as np
import pytest

from d2ldrop.handwritten import (
    backward_propagation_with_dropout,
    compute_cost,
    forward_propagation_with_dropout,
    initialize_parameters,
    predict,
    toy_data,
    train,
    update_parameters,
)
from tests.handwritten.examples import example


def test_training_reduces_the_cost_and_learns() -> None:
    X, Y = toy_data(60, seed=0)
    parameters, costs = train(X, Y, (20, 10), keep_prob=0.8, num_iterations=600, seed=1)
    assert len(costs) == 600
    assert np.mean(costs[-50:]) < 0.6 * np.mean(costs[:5])
    assert (predict(parameters, X) == Y).mean() > 0.85
    assert [values.shape for values in parameters.values()] == [
        (20, 2), (20, 1), (10, 20), (10, 1), (1, 10), (1, 1)
    ]  # fmt: skip


def test_a_seed_determines_the_training() -> None:
    X, Y = toy_data(20, seed=0)
    (a, a_costs), (b, b_costs), (c, _) = (
        train(X, Y, (5, 4), num_iterations=10, seed=seed) for seed in (3, 3, 4)
    )
    assert a_costs == b_costs
    np.testing.assert_array_equal(a["W1"], b["W1"])
    assert (a["W1"] != c["W1"]).all()


def test_training_takes_the_documented_steps() -> None:
    X, Y = toy_data(12, seed=0)
    trained, costs = train(
        X, Y, (5, 4), keep_prob=(0.5, 0.8), learning_rate=0.2, num_iterations=3, seed=9
    )
    parameters, rng = initialize_parameters((2, 5, 4, 1), seed=9), np.random.default_rng(9)
    for cost in costs:
        A3, cache = forward_propagation_with_dropout(X, parameters, (0.5, 0.8), rng=rng)
        assert compute_cost(A3, Y) == cost
        gradients = backward_propagation_with_dropout(X, Y, cache, (0.5, 0.8))
        parameters = update_parameters(parameters, gradients, 0.2)
    for name, values in trained.items():
        np.testing.assert_array_equal(values, parameters[name])


def test_dropout_reduces_the_test_error_on_the_toy_data() -> None:
    """It makes more errors on the training points and fewer on new points (mean of three seeds)."""

    def accuracy(keep_prob: float) -> tuple[float, float]:
        seen, new = [], []
        for seed in range(3):
            X, Y = toy_data(60, seed=seed)
            X_test, Y_test = toy_data(4000, seed=1000 + seed)
            parameters, _ = train(X, Y, keep_prob=keep_prob, num_iterations=2000, seed=seed)
            seen.append((predict(parameters, X) == Y).mean())
            new.append((predict(parameters, X_test) == Y_test).mean())
        return float(np.mean(seen)), float(np.mean(new))

    seen_without, new_without = accuracy(1)
    seen_with, new_with = accuracy(0.5)
    assert seen_with < seen_without
    assert new_with > new_without + 0.01


def test_initial_weights_have_the_documented_scale_and_biases_are_0() -> None:
    parameters = initialize_parameters((300, 200, 100, 1), seed=0)
    assert list(parameters) == ["W1", "b1", "W2", "b2", "W3", "b3"]
    assert parameters["W1"].std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    assert parameters["W2"].std() == pytest.approx(np.sqrt(2 / 200), rel=0.02)
    assert not any(parameters[name].any() for name in ("b1", "b2", "b3"))


def test_update_parameters_returns_new_arrays() -> None:
    _, _, parameters = example()
    before = {name: values.copy() for name, values in parameters.items()}
    updated = update_parameters(parameters, {f"d{name}": 2 * before[name] for name in before}, 0.1)
    assert list(updated) == list(parameters)
    for name, values in before.items():
        np.testing.assert_array_equal(parameters[name], values)
        np.testing.assert_array_equal(updated[name], values - 0.1 * (2 * values))
