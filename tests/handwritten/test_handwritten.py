"""The handwritten network: against autograd, finite differences, draws and hand calculation."""

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
    forward_propagation,
    forward_propagation_with_dropout,
    gradient_check,
    initialize_parameters,
    network,
    predict,
    toy_data,
    train,
    update_parameters,
)
from d2ldrop.handwritten.checks import CACHE, Array, KeepProb, Rng

GRADIENTS = ["dZ3", "dW3", "db3", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"]
SIZES = [(2, 1, 1, 1), (2, 4, 3, 1), (5, 10, 7, 1), (3, 8, 16, 1)]
KEEP_PROBS: list[KeepProb] = [1, 0.8, 0.5, (0.5, 0.9), [1, 0.3]]


def example(
    sizes: tuple[int, ...] = (3, 4, 2, 1), m: int = 6, dtype: str = "float64"
) -> tuple[Array, Array, dict[str, Array]]:
    """Inputs, labels and parameters, biases among them, none of them 0."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((sizes[0], m)).astype(dtype)
    parameters = initialize_parameters(sizes, seed=5)
    for name in ("b1", "b2", "b3"):
        parameters[name] = 0.5 * rng.standard_normal(parameters[name].shape)
    Y = np.arange(m).reshape(1, m) % 2
    return X, Y, {name: values.astype(dtype) for name, values in parameters.items()}


# Forward


@pytest.mark.parametrize("new", [np.random.default_rng, np.random.RandomState])
@pytest.mark.parametrize("keep_prob", KEEP_PROBS, ids=str)
def test_masks_are_drawn_once_a_hidden_layer_in_order(
    new: Callable[[int], Rng], keep_prob: KeepProb
) -> None:
    X, _, parameters = example()
    rng, twin = new(7), new(7)
    _, cache = forward_propagation_with_dropout(X, parameters, keep_prob, rng=rng)
    keep1, keep2 = np.broadcast_to(keep_prob, 2).tolist()
    np.testing.assert_array_equal(cache[1], twin.random((4, 6)) < keep1)
    np.testing.assert_array_equal(cache[6], twin.random((2, 6)) < keep2)
    assert rng.random() == twin.random(), "no third draw"


class Drawn:
    """Gives the draws that it was made with."""

    def __init__(self, *draws: Array) -> None:
        self.draws = list(draws)

    def random(self, size: tuple[int, int]) -> Array:
        draw = self.draws.pop(0)
        assert draw.shape == size
        return draw


def test_by_hand() -> None:
    """One example, every number from pencil and paper; a draw equal to keep_prob drops."""
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


def test_a_draw_equal_to_keep_prob_drops_in_either_layer() -> None:
    X, _, parameters = example()
    rng: Any = Drawn(np.full((4, 6), 0.5), np.full((2, 6), 0.25))
    _, cache = forward_propagation_with_dropout(X, parameters, (0.5, 0.25), rng=rng)
    assert not cache[1].any()
    assert not cache[6].any()


def test_the_course_exercise_gives_its_known_values() -> None:
    """Published: A3 with keep_prob 0.7; dA1, dA2 of a cache made with 0.5, taken with 0.8."""
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


def test_numpys_global_generator_will_do() -> None:
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
def test_keep_prob_1_is_the_network_without_dropout(keep_prob: KeepProb) -> None:
    X, _, parameters = example()
    A3, cache = forward_propagation_with_dropout(
        X, parameters, keep_prob, rng=np.random.default_rng(0)
    )
    assert cache[1].all()
    assert cache[6].all()
    np.testing.assert_array_equal(A3, forward_propagation(X, parameters))


def test_a_scalar_stands_for_both_layers() -> None:
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


def test_the_default_keeps_half() -> None:
    X, _, parameters = example()
    A3, _ = forward_propagation_with_dropout(X, parameters, rng=np.random.default_rng(0))
    half, _ = forward_propagation_with_dropout(X, parameters, 0.5, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(A3, half)


def test_expectation_of_an_activation_stays() -> None:
    X, _, parameters = example((3, 4, 2, 1), m=1)
    X = np.repeat(X, 20_000, axis=1)
    _, cache = forward_propagation_with_dropout(X, parameters, 0.3, rng=np.random.default_rng(0))
    np.testing.assert_allclose(
        cache[2].mean(axis=1), np.maximum(cache[0][:, 0], 0), rtol=0.05, atol=1e-12
    )


def test_arguments_stay_as_they_are() -> None:
    X, Y, parameters = example()
    before = [values.copy() for values in (X, Y, *parameters.values())]
    _, cache = forward_propagation_with_dropout(X, parameters, rng=np.random.default_rng(0))
    kept = [values.copy() for values in cache]
    gradients = backward_propagation_with_dropout(X, Y, cache, 0.5)
    gradient_check(parameters, X, Y)
    updated = update_parameters(parameters, gradients, 0.1)
    for one, other in zip((X, Y, *parameters.values(), *cache), before + kept, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(updated["W2"], parameters["W2"] - 0.1 * gradients["dW2"])
    assert list(updated) == list(parameters)


def test_float32_stays_float32() -> None:
    X, Y, parameters = example(dtype="float32")
    A3, cache = forward_propagation_with_dropout(X, parameters, 0.7, rng=np.random.default_rng(0))
    assert {values.dtype for values in (A3, *cache)} == {np.dtype("float32"), np.dtype(bool)}
    gradients = backward_propagation_with_dropout(X, Y.astype("float32"), cache, 0.7)
    assert {values.dtype for values in gradients.values()} == {np.dtype("float32")}
    assert gradient_check(parameters, X, Y) < 1e-7, "is made in float64"


def test_a_matrix_is_taken_as_an_array() -> None:
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
def test_gradients_are_autograds(backend: Any, sizes: tuple[int, ...], keep_prob: KeepProb) -> None:
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
        scale = 9 if name[0] in "ZA" else 1  # the exercise averages in dW and db, not before
        np.testing.assert_allclose(
            gradients[f"d{name}"], scale * gradient.numpy(), rtol=1e-11, atol=1e-15, err_msg=name
        )


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("keep_prob", KEEP_PROBS, ids=str)
@pytest.mark.parametrize("fresh", [False, True])
def test_gradient_check(sizes: tuple[int, ...], keep_prob: KeepProb, fresh: bool) -> None:
    X, Y, parameters = example(sizes, m=10)
    if fresh:  # biases of 0: where all units are dropped, ReLU is at its kink
        parameters = initialize_parameters(sizes, seed=1)
    for seed in range(3):
        assert gradient_check(parameters, X, Y, keep_prob, seed) < 1e-7


@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2", "W3", "b3"])
def test_gradient_check_sees_one_wrong_gradient(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: Any) -> dict[str, Array]:
        gradients = backward_propagation_with_dropout(*arguments)
        return gradients | {f"d{name}": 1.0001 * gradients[f"d{name}"]}

    X, Y, parameters = example((2, 8, 4, 1), m=20)
    assert gradient_check(parameters, X, Y) < 1e-7
    monkeypatch.setattr(network, "backward_propagation_with_dropout", wrong)
    assert gradient_check(parameters, X, Y) > 1e-7


def test_gradient_check_of_a_dead_network() -> None:
    """Both gradients are 0 where the network is certain and right: a difference of 0, not NaN."""
    X, _, parameters = example()
    parameters["b3"][:] = 1e6
    assert gradient_check(parameters, X, np.ones((1, 6))) == 0


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
def test_cost(A3: Any, Y: Any, cost: float, labels: str) -> None:
    got = compute_cost(np.array(A3), np.array(Y, labels))
    assert type(got) is float
    assert got == pytest.approx(cost, rel=1e-14)
    assert not np.signbit(got)


# Training


def test_training_reduces_the_cost_and_learns() -> None:
    X, Y = toy_data(60, seed=0)
    parameters, costs = train(X, Y, (20, 10), keep_prob=0.8, num_iterations=600, seed=1)
    assert len(costs) == 600
    assert np.mean(costs[-50:]) < 0.6 * np.mean(costs[:5])
    assert (predict(parameters, X) == Y).mean() > 0.85
    assert [values.shape for values in parameters.values()] == [
        (20, 2), (20, 1), (10, 20), (10, 1), (1, 10), (1, 1)
    ]  # fmt: skip


def test_a_seed_repeats_a_training_and_another_does_not() -> None:
    X, Y = toy_data(20, seed=0)
    (a, a_costs), (b, b_costs), (c, _) = (
        train(X, Y, (5, 4), num_iterations=10, seed=seed) for seed in (3, 3, 4)
    )
    assert a_costs == b_costs
    np.testing.assert_array_equal(a["W1"], b["W1"])
    assert (a["W1"] != c["W1"]).all()


def test_training_is_the_steps_it_says() -> None:
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


def test_dropout_helps_on_the_toy_set() -> None:
    """The defaults, three seeds: more errors on the points learnt, fewer on new ones."""

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


def test_initial_parameters() -> None:
    parameters = initialize_parameters((300, 200, 100, 1), seed=0)
    assert list(parameters) == ["W1", "b1", "W2", "b2", "W3", "b3"]
    assert parameters["W1"].std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    assert parameters["W2"].std() == pytest.approx(np.sqrt(2 / 200), rel=0.02)
    assert not any(parameters[name].any() for name in ("b1", "b2", "b3"))


# The toy set, the decision boundary


def test_toy_data() -> None:
    X, Y = toy_data(101, seed=4)
    assert (X.shape, X.dtype, Y.shape) == ((2, 101), np.dtype(float), (1, 101))
    assert Y.sum() == 50
    assert set(np.unique(Y)) == {0, 1}
    np.testing.assert_array_equal(toy_data(101, seed=4)[0], X)
    assert (toy_data(101, seed=5)[0] != X).all()


def test_toy_data_without_noise_lies_on_half_circles() -> None:
    X, Y = toy_data(200, seed=0, noise=0)
    zero, one = X[:, Y[0] == 0] + [[0.5], [0.25]], X[:, Y[0] == 1] + [[-0.5], [-0.25]]
    np.testing.assert_allclose(np.linalg.norm(zero, axis=0), 1)
    np.testing.assert_allclose(np.linalg.norm(one, axis=0), 1)
    assert (zero[1] >= 0).all()
    assert (one[1] <= 0).all()


@pytest.mark.parametrize("constant", [False, True])
def test_decision_boundary_is_what_predict_says(constant: bool) -> None:
    X, _ = toy_data(30, seed=0)
    if constant:
        X[1] = 4.0
    parameters = initialize_parameters((2, 6, 5, 1), seed=3)
    _, _, before = decision_boundary(parameters, X, resolution=25)
    logits = np.log(before / (1 - before))
    parameters["b3"] -= (logits.min() + logits.max()) / 2  # so that both labels occur
    xx, yy, probability = decision_boundary(parameters, X, resolution=25)
    assert xx.shape == yy.shape == probability.shape == (25, 25)
    labels = predict(parameters, np.stack([xx.ravel(), yy.ravel()]))
    assert labels.shape == (1, 625)
    assert labels.dtype == np.dtype(int)
    np.testing.assert_array_equal(probability.ravel() > 0.5, labels[0] == 1)
    assert len(np.unique(labels)) == 2, "else the comparison shows nothing"
    assert (np.diff(xx, axis=1) > 0).all()
    assert (np.diff(yy, axis=0) > 0).all()
    assert xx.min() < X[0].min() < X[0].max() < xx.max()
    assert yy.min() < X[1].min() <= X[1].max() < yy.max()


# Bad input: one error, before any work. Each case: the call, exception, message.

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
def test_bad_keep_prob(case: str) -> None:
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
        r"X must have shape \(n_x, m\), none of them 0, got \(3, 0\)",
    ),
    "X NaN": (lambda: forward(X=with_nan(X0)), ValueError, "X must be finite, got nan"),
    "parameters list": (lambda: forward(P=[1]), TypeError, "parameters must be a dict .* got list"),
    "parameters lacking": (
        lambda: forward(P={k: v for k, v in P0.items() if k != "b2"}),
        ValueError,
        "parameters must be a dict with W1 b1 W2 b2 W3 b3, got no b2",
    ),
    "four layers": (lambda: forward(P=P0 | {"W4": P0["W3"]}), ValueError, "three layers, got a W4"),
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
    "rng None": (lambda: forward(rng=0), TypeError, r"rng must be numpy.random.default_rng\(0\)"),
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
    "Y label": (lambda: backward(Y=2 * Y0), ValueError, "Y must hold labels 0 and 1 alone, got 2"),
    "Y fraction": (lambda: backward(Y=Y0 / 2), ValueError, "labels 0 and 1 alone, got 0.5"),
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
    "check Y": (lambda: gradient_check(P0, X0, 3 * Y0), ValueError, "labels 0 and 1 alone, got 3"),
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
        lambda: initialize_parameters((2, 3.0, 2, 1), seed=0),  # type: ignore[arg-type]  # the point
        TypeError,
        r"layer_sizes\[1\] must be a positive integer, got 3.0 of type float",
    ),
    "sizes last": (
        lambda: initialize_parameters((2, 3, 2, 2), seed=0),
        ValueError,
        "layer_sizes must end in 1, the one probability, got 2",
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
def test_bad_arguments(case: str) -> None:
    call, exception, message = BAD[case]
    with pytest.raises(exception, match=message):
        call()


@pytest.mark.parametrize(
    "bad", [{"keep_prob": 2}, {"P": P0 | {"W3": P0["W2"]}}, {"X": X0 + np.inf}]
)
def test_an_error_comes_before_any_draw(bad: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="must"):
        forward(rng=rng, **bad)
    assert rng.random() == np.random.default_rng(0).random()
