"""Outputs, gradients and steps have the dtype of the parameters, whatever the other inputs are."""

from __future__ import annotations

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
    predict,
    relu,
    sigmoid,
    train,
    update_parameters,
)
from d2ldrop.handwritten.checks import CACHE, PARAMETERS, Array
from tests.handwritten.examples import example

FLOATS = ["float16", "float32", "float64"]
KEEP_PROBS: list[Any] = [0.5, np.float64(0.5), np.float32(0.5), (0.5, np.float64(0.75)), 1]


def dtypes(arrays: dict[str, Array]) -> set[str]:
    return {array.dtype.name for array in arrays.values()}


def step(
    X: Array, Y: Array, parameters: dict[str, Array], keep_prob: Any = 0.5, lr: Any = 0.1
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    """Return the named cache, the gradients and the updated parameters of one step."""
    rng = np.random.default_rng(0)
    A3, cache = forward_propagation_with_dropout(X, parameters, keep_prob, rng=rng)
    assert A3 is cache[CACHE.index("A3")]
    gradients = backward_propagation_with_dropout(X, Y, cache, keep_prob)
    named = dict(zip(CACHE, cache, strict=True))
    return named, gradients, update_parameters(parameters, gradients, lr)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_parameters_decide_the_dtype(dtype: str) -> None:
    X, Y, parameters = example(dtype=dtype)
    kinds: list[tuple[str, str, Any, Any]] = [
        *((inputs, "int64", 0.5, 0.1) for inputs in (*FLOATS, "int64", "uint8", "bool")),
        *(("float64", labels, 0.5, 0.1) for labels in (*FLOATS, "int64", "uint8", "bool")),
        *((dtype, dtype, keep_prob, 1) for keep_prob in KEEP_PROBS),
        *((dtype, dtype, 0.5, lr) for lr in (1, np.float64(0.1), np.float32(0.1))),
    ]
    for inputs, labels, keep_prob, lr in kinds:
        x, y = np.abs(X).astype(inputs), Y.astype(labels)
        cache, gradients, updated = step(x, y, parameters, keep_prob, lr)
        assert dtypes(cache) == {dtype, "bool"}
        assert dtypes(gradients) == dtypes(updated) == {dtype}
        assert forward_propagation(x, parameters).dtype == dtype
        assert type(compute_cost(cache["A3"], y)) is float
        assert predict(parameters, x).dtype == np.dtype(int)


def test_each_parameter_keeps_its_own_dtype() -> None:
    """A user may cast the weights and forget the biases."""
    X, Y, parameters = example()
    parameters |= {name: parameters[name].astype("float32") for name in ("W1", "W2", "W3")}
    cache, gradients, updated = step(X, Y, parameters)
    assert dtypes(cache) == {"float32", "float64", "bool"}
    for name in PARAMETERS:
        expected = "float32" if name[0] == "W" else "float64"
        assert gradients[f"d{name}"].dtype == updated[name].dtype == expected
    assert gradients["dZ1"].dtype == gradients["dA2"].dtype == "float64"


def test_integer_parameters_count_as_float64() -> None:
    X, Y, parameters = example(dtype="float32")
    whole = {name: np.rint(values).astype("int64") for name, values in parameters.items()}
    _, gradients, updated = step(X, Y, whole)
    assert dtypes(gradients) == dtypes(updated) == {"float64"}
    assert forward_propagation(X, whole).dtype == "float64"


def test_a_cache_of_another_dtype_does_not_change_that_of_the_gradients() -> None:
    """The course exercise stores its masks as integers, and a user may build the cache by hand."""
    X, Y, parameters = example(dtype="float32")
    cache, expected, _ = step(X, Y, parameters)
    for dtype in ("int64", "float64"):
        other = cache | {name: cache[name].astype(dtype) for name in ("D1", "D2")}
        if dtype == "float64":
            other |= {name: cache[name].astype(dtype) for name in ("Z1", "A1", "Z2", "A2", "A3")}
        gradients = backward_propagation_with_dropout(X, Y, tuple(other.values()), 0.5)
        assert dtypes(gradients) == {"float32"}
        for name, values in expected.items():
            np.testing.assert_array_equal(gradients[name], values, err_msg=name)


@pytest.mark.parametrize("dtype", FLOATS)
def test_gradients_of_another_dtype_do_not_change_that_of_the_parameters(dtype: str) -> None:
    _, _, parameters = example(dtype=dtype)
    for other in [*FLOATS, "int64"]:
        gradients = {f"d{name}": np.ones_like(parameters[name], other) for name in PARAMETERS}
        updated = update_parameters(parameters, gradients, 0.25)
        for name, values in updated.items():
            assert values.dtype == dtype
            np.testing.assert_array_equal(values, parameters[name] - np.float16(0.25))


@pytest.mark.parametrize("dtype", FLOATS)
def test_relu_and_sigmoid_keep_the_dtype_of_scalars_too(dtype: str) -> None:
    for Z in (np.array([-1, 2], dtype), np.array(2, dtype), np.dtype(dtype).type(2)):
        assert relu(Z).dtype == sigmoid(Z).dtype == dtype
    np.testing.assert_array_equal(relu(np.array([-1, 0, 2])), [0, 0, 2])
    assert sigmoid(np.array([0])) == 0.5  # integers are allowed


def test_results_of_float64_input_equal_those_of_the_same_input_in_float32() -> None:
    X, Y, parameters = example(dtype="float32")
    _, expected, _ = step(X, Y, parameters)
    _, gradients, _ = step(X.astype("float64"), Y.astype("float64"), parameters)
    for name, values in expected.items():
        np.testing.assert_array_equal(gradients[name], values, err_msg=name)


def test_a_boundary_has_the_dtype_of_the_parameters() -> None:
    X, _, parameters = example((2, 4, 2, 1), dtype="float32")
    assert decision_boundary(parameters, X.astype("float64"), 5)[2].dtype == "float32"


def test_training_on_float32_inputs_is_in_float64() -> None:
    X, Y, _ = example(dtype="float32")
    trained, costs = train(X, Y, (4, 2), num_iterations=2)
    twin, twin_costs = train(X.astype("float64"), Y, (4, 2), num_iterations=2)
    assert dtypes(trained) == {"float64"}
    assert costs == twin_costs
    np.testing.assert_array_equal(trained["W1"], twin["W1"])


def test_the_gradient_check_takes_the_inputs_as_they_are() -> None:
    """It is in float64: inputs that float16 cannot hold are not cast to it."""
    X, Y, parameters = example(dtype="float16")
    assert gradient_check(parameters, X.astype("float64") + 2.0**-30, Y) < 1e-7


def test_a_number_that_does_not_fit_is_refused() -> None:
    X, Y, parameters = example(dtype="float32")
    large = X.astype("float64") * 1e300
    with pytest.raises(ValueError, match=r"X must fit into float32, the parameters' dtype, got "):
        forward_propagation(large, parameters)
    _, gradients, _ = step(X, Y, parameters)
    gradients["dW2"] = np.full(gradients["dW2"].shape, 1e300)
    with pytest.raises(ValueError, match=r"dW2 in gradients must fit into float32, .* got 1e"):
        update_parameters(parameters, gradients, 0.1)
