"""Forward pass, cost and gradients equal those of autograd and of a calculation by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from d2ldrop.handwritten import (
    backward_propagation_with_dropout,
    compute_cost,
    forward_propagation,
    forward_propagation_with_dropout,
)
from d2ldrop.handwritten.checks import Array, KeepProb, Rng
from tests.handwritten.examples import KEEP_PROBS, SIZES, example

GRADIENTS = ["dZ3", "dW3", "db3", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"]


# Forward


@pytest.mark.parametrize("new", [np.random.default_rng, np.random.RandomState])
@pytest.mark.parametrize("keep_prob", KEEP_PROBS, ids=str)
def test_each_hidden_layer_draws_one_mask_in_order(
    new: Callable[[int], Rng], keep_prob: KeepProb
) -> None:
    X, _, parameters = example()
    rng, twin = new(7), new(7)
    _, cache = forward_propagation_with_dropout(X, parameters, keep_prob, rng=rng)
    keep1, keep2 = np.broadcast_to(keep_prob, 2).tolist()
    np.testing.assert_array_equal(cache[1], twin.random((4, 6)) < keep1)
    np.testing.assert_array_equal(cache[6], twin.random((2, 6)) < keep2)
    assert rng.random() == twin.random(), "there was a third draw"


class Drawn:
    """A generator that returns the given draws."""

    def __init__(self, *draws: Array) -> None:
        self.draws = list(draws)

    def random(self, size: tuple[int, int]) -> Array:
        draw = self.draws.pop(0)
        assert draw.shape == size
        return draw


def test_every_number_equals_the_calculation_by_hand() -> None:
    """The network has one example. A draw equal to keep_prob drops a unit."""
    X = np.array([[1.0], [2.0]])
    parameters = {
        "W1": np.array([[1.0, 1.0], [2.0, 0.0], [0.0, -1.0]]),
        "b1": np.array([[1.0], [-1.0], [0.0]]),
        "W2": np.array([[1.0, 7.0, 7.0], [-1.0, 7.0, 7.0]]),
        "b2": np.array([[1.0], [2.0]]),
        "W3": np.array([[0.5, 3.0]]),
        "b3": np.array([[-9.0]]),
    }
    rng: Any = Drawn(np.array([[0.4], [0.5], [0.1]]), np.array([[0.1], [0.2]]))
    A3, cache = forward_propagation_with_dropout(X, parameters, (0.5, 0.25), rng=rng)
    Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, last, W3, b3 = cache
    np.testing.assert_array_equal(Z1, [[4], [1], [-2]])
    np.testing.assert_array_equal(D1, [[True], [False], [True]])
    np.testing.assert_array_equal(A1, [[8], [0], [0]])
    np.testing.assert_array_equal(Z2, [[9], [-6]])
    np.testing.assert_array_equal(D2, [[True], [True]])
    np.testing.assert_array_equal(A2, [[36], [0]])
    np.testing.assert_array_equal(Z3, [[9]])
    np.testing.assert_allclose(A3, 1 / (1 + np.exp(-9.0)), rtol=1e-15)
    assert last is A3
    for name, value in {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "W3": W3, "b3": b3}.items():
        np.testing.assert_array_equal(value, parameters[name])

    gradients = backward_propagation_with_dropout(X, np.array([[1]]), cache, (0.5, 0.25))
    d = A3.item() - 1
    expected = {"dZ3": [[d]], "dW3": [[36 * d, 0]], "db3": [[d]]}
    expected |= {"dA2": [[2 * d], [12 * d]], "dZ2": [[2 * d], [0]], "db2": [[2 * d], [0]]}
    expected |= {"dW2": [[16 * d, 0, 0], [0, 0, 0]], "dA1": [[4 * d], [0], [28 * d]]}
    expected |= {"dZ1": [[4 * d], [0], [0]], "dW1": [[4 * d, 8 * d], [0, 0], [0, 0]]}
    expected |= {"db1": [[4 * d], [0], [0]]}
    assert list(gradients) == GRADIENTS
    for name, values in gradients.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-13, err_msg=name)


def test_a_draw_equal_to_keep_prob_drops_a_unit_in_both_layers() -> None:
    X, _, parameters = example()
    rng: Any = Drawn(np.full((4, 6), 0.5), np.full((2, 6), 0.25))
    _, cache = forward_propagation_with_dropout(X, parameters, (0.5, 0.25), rng=rng)
    assert not cache[1].any()
    assert not cache[6].any()


def test_the_course_exercise_gives_its_published_values() -> None:
    """A3 uses keep_prob 0.7. For dA1 and dA2 the forward pass uses 0.5, the backward pass 0.8."""
    rng = np.random.RandomState(1)
    X = rng.randn(3, 5)
    shapes = {"W1": (2, 3), "b1": (2, 1), "W2": (3, 2), "b2": (3, 1), "W3": (1, 3), "b3": (1, 1)}
    parameters = {name: rng.randn(*shape) for name, shape in shapes.items()}
    A3, _ = forward_propagation_with_dropout(X, parameters, 0.7, rng=np.random.RandomState(1))
    np.testing.assert_allclose(
        A3, [[0.36974721, 0.00305176, 0.04565099, 0.49683389, 0.36974721]], atol=5e-9
    )
    _, cache = forward_propagation_with_dropout(X, parameters, 0.5, rng=np.random.RandomState(1))
    gradients = backward_propagation_with_dropout(X, np.array([[1, 1, 0, 1, 0]]), cache, 0.8)
    dA1 = [[0.36544439, 0, -0.00188233, 0, -0.17408748], [0.65515713, 0, -0.00337459, 0, 0]]
    np.testing.assert_allclose(gradients["dA1"], dA1, atol=1e-8)
    dA2 = [
        [0.58180856, 0, -0.00299679, 0, -0.27715731],
        [0, 0.53159854, 0, 0.53159854, -0.34089673],
        [0, 0, -0.00292733, 0, 0],
    ]
    np.testing.assert_allclose(gradients["dA2"], dA2, atol=1e-8)


def test_rng_may_be_numpys_global_generator() -> None:
    X, _, parameters = example()
    state = np.random.get_state()
    try:
        np.random.seed(3)
        module: Any = np.random
        A3, _ = forward_propagation_with_dropout(X, parameters, rng=module)
    finally:
        np.random.set_state(state)
    expected, _ = forward_propagation_with_dropout(X, parameters, rng=np.random.RandomState(3))
    np.testing.assert_array_equal(A3, expected)


@pytest.mark.parametrize("keep_prob", [1, 1.0, np.float32(1), (1, 1), np.ones(2)], ids=repr)
def test_keep_prob_1_equals_the_network_without_dropout(keep_prob: KeepProb) -> None:
    X, _, parameters = example()
    A3, cache = forward_propagation_with_dropout(
        X, parameters, keep_prob, rng=np.random.default_rng(0)
    )
    assert cache[1].all()
    assert cache[6].all()
    np.testing.assert_array_equal(A3, forward_propagation(X, parameters))


def test_a_scalar_keep_prob_applies_to_both_layers() -> None:
    X, Y, parameters = example()
    results = []
    for keep_prob in (0.6, (0.6, 0.6), [0.6, 0.6], np.array([0.6, 0.6])):
        A3, cache = forward_propagation_with_dropout(
            X, parameters, keep_prob, rng=np.random.default_rng(0)
        )
        results.append([A3, *backward_propagation_with_dropout(X, Y, cache, keep_prob).values()])
    for result in results[1:]:
        for one, other in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_default_keep_prob_is_one_half() -> None:
    X, _, parameters = example()
    A3, _ = forward_propagation_with_dropout(X, parameters, rng=np.random.default_rng(0))
    half, _ = forward_propagation_with_dropout(X, parameters, 0.5, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(A3, half)


def test_dropout_does_not_change_the_expectation_of_an_activation() -> None:
    X, _, parameters = example((3, 4, 2, 1), m=1)
    X = np.repeat(X, 20_000, axis=1)
    _, cache = forward_propagation_with_dropout(X, parameters, 0.3, rng=np.random.default_rng(0))
    np.testing.assert_allclose(
        cache[2].mean(axis=1), np.maximum(cache[0][:, 0], 0), rtol=0.05, atol=1e-12
    )


def test_arguments_do_not_change() -> None:
    X, Y, parameters = example()
    before = [values.copy() for values in (X, Y, *parameters.values())]
    _, cache = forward_propagation_with_dropout(X, parameters, rng=np.random.default_rng(0))
    kept = [values.copy() for values in cache]
    backward_propagation_with_dropout(X, Y, cache, 0.5)
    for one, other in zip((X, Y, *parameters.values(), *cache), before + kept, strict=True):
        np.testing.assert_array_equal(one, other)


def test_float32_inputs_give_float32_results() -> None:
    X, Y, parameters = example(dtype="float32")
    A3, cache = forward_propagation_with_dropout(X, parameters, 0.7, rng=np.random.default_rng(0))
    assert {values.dtype for values in (A3, *cache)} == {np.dtype("float32"), np.dtype(bool)}
    gradients = backward_propagation_with_dropout(X, Y.astype("float32"), cache, 0.7)
    assert {values.dtype for values in gradients.values()} == {np.dtype("float32")}


def test_a_numpy_matrix_gives_the_same_result_as_an_array() -> None:
    X, Y, parameters = example()
    A3, cache = forward_propagation_with_dropout(
        X.view(np.matrix),
        {name: values.view(np.matrix) for name, values in parameters.items()},
        rng=np.random.default_rng(0),
    )
    expected, _ = forward_propagation_with_dropout(X, parameters, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(A3, expected)
    backward_propagation_with_dropout(X, Y.view(np.matrix), cache, 0.5)


def test_extreme_outputs_do_not_overflow() -> None:
    X, Y, parameters = example()
    for sign in (-1, 1):
        extreme = parameters | {"b3": np.array([[sign * 1e6]])}
        A3, cache = forward_propagation_with_dropout(X, extreme, rng=np.random.default_rng(0))
        np.testing.assert_array_equal(A3, np.full((1, 6), max(sign, 0)))
        assert compute_cost(A3, Y) == np.inf
        gradients = backward_propagation_with_dropout(X, Y, cache, 0.5)
        assert all(np.isfinite(values).all() for values in gradients.values())


# Backward


@pytest.mark.only("torch")
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("keep_prob", KEEP_PROBS, ids=str)
def test_gradients_equal_those_of_autograd(
    backend: Any, sizes: tuple[int, ...], keep_prob: KeepProb
) -> None:
    import torch

    X, Y, parameters = example(sizes, m=9)
    A3, cache = forward_propagation_with_dropout(
        X, parameters, keep_prob, rng=np.random.default_rng(2)
    )
    gradients = backward_propagation_with_dropout(X, Y, cache, keep_prob)
    keep1, keep2 = np.broadcast_to(keep_prob, 2).tolist()
    W1, b1, W2, b2, W3, b3 = (
        torch.tensor(values).requires_grad_() for values in parameters.values()
    )
    twin = np.random.default_rng(2)
    D1 = torch.tensor(twin.random((sizes[1], 9)) < keep1)
    D2 = torch.tensor(twin.random((sizes[2], 9)) < keep2)

    Z1 = W1 @ torch.tensor(X) + b1
    A1 = torch.relu(Z1)
    Z2 = W2 @ torch.where(D1, A1 / keep1, 0.0) + b2
    A2 = torch.relu(Z2)
    Z3 = W3 @ torch.where(D2, A2 / keep2, 0.0) + b3
    cost = torch.nn.functional.binary_cross_entropy_with_logits(Z3, torch.tensor(Y).double())
    leaves = {"Z3": Z3, "W3": W3, "b3": b3, "A2": A2, "Z2": Z2, "W2": W2, "b2": b2}
    leaves |= {"A1": A1, "Z1": Z1, "W1": W1, "b1": b1}
    expected = torch.autograd.grad(cost, list(leaves.values()))

    np.testing.assert_allclose(A3, torch.sigmoid(Z3).detach().numpy(), rtol=1e-13)
    assert compute_cost(A3, Y) == pytest.approx(cost.item(), rel=1e-13)
    assert list(gradients) == GRADIENTS == [f"d{name}" for name in leaves]
    for name, gradient in zip(leaves, expected, strict=True):
        scale = 9 if name[0] in "ZA" else 1  # the exercise divides only dW and db by m
        np.testing.assert_allclose(
            gradients[f"d{name}"], scale * gradient.numpy(), rtol=1e-11, atol=1e-15, err_msg=name
        )


# The cost


@pytest.mark.parametrize(
    ("A3", "Y", "cost"),
    [
        ([[0.5]], [[1]], np.log(2)),
        ([[0.25]], [[0]], np.log(4 / 3)),
        ([[0.5, 0.25]], [[1, 1]], 1.5 * np.log(2)),
        ([[1.0, 0.0]], [[1, 0]], 0),
        ([[1.0, 0.5]], [[1, 0]], np.log(2) / 2),
        ([[0.0, 0.5]], [[1, 0]], np.inf),
        ([[1.0]], [[0]], np.inf),
        ([[1e-300]], [[1]], 300 * np.log(10)),
    ],
)
@pytest.mark.parametrize("labels", ["int64", "float32", "bool"])
def test_the_cost_is_the_mean_cross_entropy(A3: Any, Y: Any, cost: float, labels: str) -> None:
    got = compute_cost(np.array(A3), np.array(Y, labels))
    assert type(got) is float
    assert got == pytest.approx(cost, rel=1e-14)
    assert not np.signbit(got)
