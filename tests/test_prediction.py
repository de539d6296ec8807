"""Exact and sampled averages over masks, on every backend, and the original form of dropout."""

from __future__ import annotations

from itertools import product
from typing import Any

import d2ldrop_numpy as reference
import numpy as np
import numpy.typing as npt
import pytest
from scipy import special, stats

from d2ldrop import initial_weights, prediction
from d2ldrop.backend import Backend
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.core.noise import LayerNoise, Noise
from d2ldrop.core.randomness import Purpose, batch_order
from d2ldrop.data.stand_in import stand_in
from d2ldrop.prediction import (
    exact_average,
    predict_mc,
    scale_weights,
    weight_scaling,
)
from tests.backends.test_backends import on_framework

Module = Backend[Any]
Arrays = dict[str, npt.NDArray[Any]]
DROPOUT = (0.2, 0.5)
SMALL = (5, 6, 4, 3)


def network(sizes: tuple[int, ...] = SMALL, dtype: str = "float64", size: float = 1) -> Arrays:
    """Weights about as large as trained ones, and biases that are not zero."""
    weights = initial_weights(0, sizes, dtype)
    rng = np.random.default_rng(0)
    for layer, inputs in enumerate(sizes[:-1], start=1):
        weights[f"W{layer}"] *= size * 100 * np.sqrt(2 / inputs)
        weights[f"b{layer}"] += rng.normal(0, 0.1, sizes[layer]).astype(dtype)
    return weights


def inputs(n: int = 7, columns: int = 5, dtype: str = "float64") -> npt.NDArray[Any]:
    return np.random.default_rng(1).random((n, columns)).astype(dtype)


def by_masks(masks: tuple[Any, Any], dropout: Any = DROPOUT) -> Noise:
    """Inverted dropout with these boolean masks."""
    return LayerNoise(dropout[0], masks[0]), LayerNoise(dropout[1], masks[1])


def by_numbers(masks: tuple[Any, Any]) -> Noise:
    """The original form of dropout: multiplication by 0 or 1, without scaling."""
    first, second = (LayerNoise(0.5, mask.astype(np.float64), "multiply") for mask in masks)
    return first, second


def mc_masks(n: int, weights: Arrays, sample: int, dropout: Any = DROPOUT) -> tuple[Any, Any]:
    first, second = (
        dropout_mask((n, len(weights[b])), p, seed=0, step=sample, site=site, purpose=Purpose.MC)
        for site, (b, p) in enumerate(zip(("b1", "b2"), dropout, strict=True))
    )
    return first, second


# Monte Carlo


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_every_backend_gives_the_same_statistics_as_numpy(
    backend: Module, backend_name: str, dtype: str, tolerance: float
) -> None:
    weights, X = network((784, 64, 32, 10), dtype), inputs(20, 784)
    found = predict_mc(weights, X, 10, backend=backend_name, seed=3)
    expected = predict_mc(weights, X, 10, seed=3)
    assert expected.variance.max() > 1e-2
    for name, values in vars(expected).items():
        other = getattr(found, name)
        assert other.dtype == np.float64
        np.testing.assert_allclose(other, values, rtol=0, atol=tolerance, err_msg=name)


def test_the_statistics_equal_those_of_stored_samples() -> None:
    weights, X = network(), inputs()
    params = list(weights.values())
    samples = np.array(
        [
            special.softmax(reference.mlp(params, X, by_masks(mc_masks(7, weights, k))), axis=1)
            for k in range(30)
        ]
    )
    found = predict_mc(weights, X, 30)
    np.testing.assert_allclose(found.mean, samples.mean(axis=0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.variance, samples.var(axis=0), rtol=0, atol=1e-14)
    entropy = stats.entropy(samples.mean(axis=0), axis=1)
    np.testing.assert_allclose(found.entropy, entropy, rtol=0, atol=1e-14)
    information = entropy - stats.entropy(samples, axis=2).mean(axis=0)
    assert information.max() > 0.01
    np.testing.assert_allclose(found.mutual_information, information, rtol=0, atol=1e-14)


def test_the_seed_selects_the_masks() -> None:
    means = [predict_mc(network(), inputs(), 5, seed=seed).mean for seed in (0, 0, 2**64 - 1)]
    np.testing.assert_array_equal(means[0], means[1])
    assert np.abs(means[0] - means[2]).max() > 1e-3


def test_all_samples_are_equal_for_p_0_and_p_1(backend: Module, backend_name: str) -> None:
    weights, X = network((784, 8, 8, 10)), inputs(4, 784)
    found = predict_mc(weights, X, 3, backend=backend_name, dropout=(0, 0))
    np.testing.assert_allclose(found.mean, weight_scaling(weights, X), atol=1e-13)
    assert found.variance.max() < 1e-28
    assert found.mutual_information.max() < 1e-14
    all_dropped = predict_mc(weights, X, 3, backend=backend_name, dropout=(0.2, 1))
    np.testing.assert_allclose(
        all_dropped.mean, [special.softmax(weights["b3"])] * 4, rtol=0, atol=1e-15
    )


def test_networks_that_predict_exactly_0_or_1_are_supported() -> None:
    """Each sampled network is certain, so the entropy and the mutual information are equal."""
    weights = {
        "W1": np.ones((1, 1)), "b1": np.zeros(1),
        "W2": np.ones((1, 1)), "b2": np.zeros(1),
        "W3": np.array([[1e4, -1e4]]), "b3": np.array([-1e4, 1e4]),
    }  # fmt: skip
    found = predict_mc(weights, np.ones((3, 1)), 40, dropout=(0, 0.5))
    kept = np.mean([mc_masks(3, weights, k, (0, 0.5))[1][:, 0] for k in range(40)], axis=0)
    np.testing.assert_allclose(found.mean, np.stack([kept, 1 - kept], axis=1), atol=1e-15)
    np.testing.assert_allclose(found.entropy, stats.entropy([kept, 1 - kept]), atol=1e-15)
    np.testing.assert_array_equal(found.entropy, found.mutual_information)
    one_mask = predict_mc(weights, np.ones((3, 1)), 4, dropout=(0, 1))
    assert not one_mask.entropy.any()
    assert not one_mask.mutual_information.any()


def test_mutual_information_is_never_negative() -> None:
    """If the sampled networks hardly differ, rounding alone would give about -1e-16."""
    found = predict_mc(network(size=1e-9), inputs(200), 7)
    assert found.mutual_information.min() >= 0


# The exact average


def test_the_exact_average_equals_its_definition() -> None:
    """The definition is a loop over all masks: a weighted sum, and a product of powers."""
    weights, X, dropout = network((5, 3, 2, 3)), inputs(), (0.2, 0.7)
    params = list(weights.values())
    arithmetic, geometric, total = np.zeros((7, 3)), np.ones((7, 3)), 0.0
    for bits in product([False, True], repeat=5):
        masks = (np.tile(bits[:3], (7, 1)), np.tile(bits[3:], (7, 1)))
        drop = [dropout[0]] * 3 + [dropout[1]] * 2
        probability = np.prod([1 - p if bit else p for bit, p in zip(bits, drop, strict=True)])
        predicted = special.softmax(reference.mlp(params, X, by_masks(masks, dropout)), axis=1)
        arithmetic += probability * predicted
        geometric *= predicted**probability
        total += float(probability)
    found = exact_average(weights, X, dropout)
    assert total == pytest.approx(1)
    np.testing.assert_allclose(found.arithmetic, arithmetic, atol=1e-14)
    geometric /= geometric.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.geometric, geometric, atol=1e-14)


def test_blocks_of_masks_give_the_same_average(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exact_average(network(), inputs(), DROPOUT)
    monkeypatch.setattr(prediction, "BLOCK", 7 * 100)  # 1,024 masks: ten blocks of 100, and 24
    parts = exact_average(network(), inputs(), DROPOUT)
    np.testing.assert_allclose(parts.arithmetic, whole.arithmetic, atol=1e-14)
    np.testing.assert_allclose(parts.geometric, whole.geometric, atol=1e-14)


def distances(weights: Arrays, dropout: tuple[float, ...]) -> tuple[float, float]:
    """The largest difference of weight scaling from the geometric and the arithmetic mean."""
    exact, scaled = exact_average(weights, inputs(), dropout), weight_scaling(weights, inputs())
    return np.abs(exact.geometric - scaled).max(), np.abs(exact.arithmetic - scaled).max()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_weight_scaling_is_the_geometric_mean_if_the_logits_are_linear_in_the_mask(
    p: float,
) -> None:
    one_layer = distances(network((5, 8, 3)), (p,))
    only_the_last = distances(network(), (0, p))
    weights = network()
    weights["b1"] += 100  # ReLU cuts nothing off: two layers that are linear
    weights["b2"] += 1e5
    linear = distances(weights, (p, p / 2))
    assert max(one_layer[0], only_the_last[0]) < 1e-12
    assert linear[0] < 1e-9  # the logits are near 1e5
    assert min(one_layer[1], only_the_last[1]) > 5e-4  # the arithmetic mean differs


def test_weight_scaling_approximates_the_means_of_a_relu_network() -> None:
    geometric, arithmetic = distances(network(), DROPOUT)
    assert 1e-3 < geometric < arithmetic < 0.15
    less = distances(network(), (0.02, 0.05))
    assert less[0] < geometric / 5
    assert less[1] < arithmetic / 5


def test_p_0_and_p_1_leave_only_one_mask() -> None:
    weights, X = network((5, 30, 40, 3)), inputs()
    for p, expected in (
        (0, weight_scaling(weights, X)),
        (1, np.tile(special.softmax(weights["b3"]), (7, 1))),
    ):
        found = exact_average(weights, X, (0, p))
        np.testing.assert_allclose(found.arithmetic, expected, atol=1e-14)
        np.testing.assert_allclose(found.geometric, expected, atol=1e-14)


def test_the_monte_carlo_error_falls_like_one_over_the_root_of_k() -> None:
    """With 16 times as many samples, the error is a quarter.

    Each of the 600 probabilities is within 4.5 standard errors. Each image has its own masks, so
    the root mean square error is itself known to about 10 %.
    """
    weights, X = network(), inputs(200)
    exact = exact_average(weights, X, DROPOUT).arithmetic
    errors = []
    for k in (125, 2000):
        found = predict_mc(weights, X, k)
        error = np.abs(found.mean - exact)
        assert (error <= 4.5 * np.sqrt(found.variance / (k - 1))).all(), k
        errors.append(np.sqrt(np.mean(error**2)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)


# The original form


def test_the_original_form_equals_the_inverted_form_with_scaled_weights(backend: Module) -> None:
    """The forms agree for each mask, so also in training. The original form is mask * H exactly."""
    weights, X, dropout = network((784, 12, 9, 10)), inputs(8, 784), (0.2, 0.5)
    masks = mc_masks(8, weights, 0)
    original, inverted = (
        on_framework(backend, by_numbers(masks)),
        on_framework(backend, by_masks(masks)),
    )
    images, params = backend.from_numpy(X), backend.init_params(list(weights.values()))
    found = backend.to_numpy(backend.mlp(params, images, original))
    H1 = masks[0] * np.maximum(X @ weights["W1"] + weights["b1"], 0)
    H2 = masks[1] * np.maximum(H1 @ weights["W2"] + weights["b2"], 0)
    np.testing.assert_allclose(found, H2 @ weights["W3"] + weights["b3"], atol=1e-12)
    scaled = backend.init_params(list(scale_weights(weights, dropout).values()))
    expected = backend.to_numpy(backend.mlp(scaled, images, inverted))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_step_of_the_original_form_follows_the_chain_rule(backend: Module) -> None:
    """With W = keep * V, the gradient with respect to V is keep times that with respect to W."""
    weights, X, y = network((784, 12, 9, 10)), inputs(8, 784), np.arange(8)
    masks = mc_masks(8, weights, 0)
    params, loss, _ = backend.train_step(
        backend.init_params(list(weights.values())),
        backend.from_numpy(X),
        backend.from_numpy(y),
        0.5,
        on_framework(backend, by_numbers(masks)),
    )
    scaled = scale_weights(weights, DROPOUT)
    stepped, expected_loss, _ = reference.train_step(
        reference.init_params(list(scaled.values())), X, y, 0.5, by_masks(masks)
    )
    np.testing.assert_allclose(backend.to_numpy(loss), expected_loss, rtol=1e-12)
    keep = {"W2": 1 - DROPOUT[0], "W3": 1 - DROPOUT[1]}
    for name, param, inverted in zip(weights, params, stepped, strict=True):
        moved = backend.to_numpy(param) - weights[name]
        expected = keep.get(name, 1) * (inverted - scaled[name])
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(moved, expected, atol=1e-13, err_msg=name)


def test_weights_trained_in_the_original_form_predict_after_scaling() -> None:
    """The scaled weights classify well. Their predictions are near the average over masks."""
    images, labels, test_images, test_labels = stand_in(2000, 500)
    X, y = images.reshape(-1, 784) / 255, labels.astype(np.int64)
    test_X = test_images.reshape(-1, 784) / 255
    weights = network((784, 64, 32, 10))
    params = reference.init_params(list(weights.values()))
    for step in range(160):
        rows = batch_order(0, step // 20, len(X))[100 * (step % 20) :][:100]
        first, second = (
            dropout_mask((100, width), p, seed=0, step=step, site=site)
            for site, (width, p) in enumerate(zip((64, 32), DROPOUT, strict=True))
        )
        noise = by_numbers((first, second))
        params, _, _ = reference.train_step(params, X[rows], y[rows], 0.1, noise)
    trained = dict(zip(weights, params, strict=True))
    scaled = scale_weights(trained, DROPOUT)
    predicted = weight_scaling(scaled, test_X)
    assert np.mean(predicted.argmax(axis=1) == test_labels) > 0.6
    average = predict_mc(scaled, test_X, 100).mean
    distance, unscaled = (
        np.abs(weight_scaling(candidate, test_X) - average).mean()
        for candidate in (scaled, trained)
    )
    assert distance < unscaled / 3


def linear_output(weights: Arrays, X: Any, masks: Any) -> Any:
    """The logits of one hidden layer in the original form, for masks of shape (k, 1 or n, h)."""
    return np.maximum(X @ weights["W1"] + weights["b1"], 0) * masks @ weights["W2"] + weights["b2"]


def test_scaled_weights_give_the_exact_expectation_of_the_original_form() -> None:
    """With linear outputs, the mean over all 2**6 masks equals the logits of the scaled weights."""
    weights, X, keep = network((5, 6, 3)), inputs(), 0.8
    masks = np.array(list(product([0, 1], repeat=6)))[:, None, :]
    probability = np.where(masks == 1, keep, 1 - keep).prod(axis=(1, 2))
    expectation = np.tensordot(probability, linear_output(weights, X, masks), axes=1)
    scaled = scale_weights(weights, [1 - keep])
    np.testing.assert_allclose(expectation, linear_output(scaled, X, 1), atol=1e-12)
    assert np.abs(linear_output(weights, X, 1) - expectation).max() > 0.1


def test_scaled_weights_give_the_sampled_expectation_of_the_original_form() -> None:
    """With 256 hidden units and 4,000 masks, 21 logits are within 4.5 standard errors."""
    weights, X = network((5, 256, 3)), inputs()
    masks = dropout_mask((4000, 7, 256), 0.5, seed=0, purpose=Purpose.MC)
    logits = linear_output(weights, X, masks)
    error = np.abs(logits.mean(axis=0) - linear_output(scale_weights(weights, [0.5]), X, 1))
    standard_error = logits.std(axis=0) / np.sqrt(len(logits))
    assert (error < 4.5 * standard_error).all()
    assert (4.5 * standard_error < 0.1).all()


def test_scale_weights_copies_and_keeps_the_dtype() -> None:
    weights = network(dtype="float32")
    scaled = scale_weights(weights, (0.25, 1))
    assert {w.dtype for w in scaled.values()} == {np.dtype("float32")}
    np.testing.assert_array_equal(scaled["W1"], weights["W1"])
    np.testing.assert_array_equal(scaled["W2"], weights["W2"] * np.float32(0.75))
    assert not scaled["W3"].any()
    for name in weights:
        assert not np.shares_memory(scaled[name], weights[name])


# Arguments


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"num_samples": 0}, ValueError, "num_samples must be a positive integer, got 0"),
        ({"num_samples": 2.0}, TypeError, "num_samples must be a positive integer"),
        ({"X": np.ones((2, 4))}, ValueError, r"X must have shape \(n, 5\), got \(2, 4\)"),
        ({"X": np.ones(5)}, ValueError, r"X must have shape \(n, 5\), got \(5,\)"),
        ({"X": np.ones((2, 5), int)}, TypeError, "floating-point NumPy array, got int64"),
        ({"X": [[1.0] * 5]}, TypeError, "floating-point NumPy array, got list"),
        ({"dropout": (0.2, 1.5)}, ValueError, "dropout must be a probability"),
        ({"dropout": (0.2,)}, ValueError, "dropout must be 2 values, one per hidden layer, got 1"),
        ({"dropout": 0.5}, TypeError, "dropout must be 2 values, one per hidden layer, got 0.5"),
        ({"seed": -1}, ValueError, "seed must be an integer"),
        ({"device": "tpu"}, ValueError, "device must be cpu"),
        ({"backend": "nmpy"}, ValueError, "did you mean 'numpy'"),
        ({"weights": network((5, 4, 3))}, ValueError, "two hidden layers, got 1"),
    ],
)
def test_predict_mc_refuses_bad_arguments(
    change: Any, error: type[Exception], message: str
) -> None:
    arguments: Any = {"weights": network(), "X": inputs(), "num_samples": 2, **change}
    with pytest.raises(error, match=message):
        predict_mc(**arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"W2": np.ones((5, 4))}, ValueError, r"W2 and b2 must have shapes .* got \(5, 4\)"),
        ({"W1": np.ones((5, 6, 2)), "b1": np.ones((6, 2))}, ValueError, "W1 and b1 must have"),
        ({"b1": np.ones((6, 1))}, ValueError, r"W1 and b1 must have shapes .* \(6, 1\)"),
        ({"W1": np.ones(())}, ValueError, "W1 and b1 must have shapes"),
        ({"b3": np.ones(3, int)}, TypeError, "W3 and b3 must be floating-point"),
        ({"W4": np.ones((3, 3))}, ValueError, "W1, b1, W2, b2 and so on, .* got W1, b1, .*W4"),
    ],
)
def test_weights_of_wrong_names_or_shapes_are_refused(
    change: Any, error: type[Exception], message: str
) -> None:
    weights = {**network(), **change}
    for function in (
        lambda: predict_mc(weights, inputs(), 2),
        lambda: exact_average(weights, inputs(), DROPOUT),
        lambda: weight_scaling(weights, inputs()),
        lambda: scale_weights(weights, DROPOUT),
    ):
        with pytest.raises(error, match=message):
            function()


def test_exact_average_needs_a_hidden_layer() -> None:
    with pytest.raises(ValueError, match="of one hidden layer or more, got W1, b1"):
        exact_average(network((5, 3)), inputs(), ())


def test_too_many_masks_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 20 dropped hidden units, got 21: 2\*\*21 masks"):
        exact_average(network((5, 11, 10, 3)), inputs(), DROPOUT)


def test_the_order_and_memory_layout_of_arrays_do_not_matter(
    backend: Module, backend_name: str
) -> None:
    weights, X = network((784, 8, 8, 10)), inputs(6, 784)
    expected = predict_mc(weights, X[::-1].copy(), 2)
    shuffled = {name: np.asfortranarray(weights[name]) for name in reversed(weights)}
    shuffled["b2"] = np.repeat(shuffled["b2"], 2)[::2]
    found = predict_mc(shuffled, X[::-1], 2, backend=backend_name)
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-12)


def test_averages_of_float32_weights_are_computed_in_float64() -> None:
    weights, X = network(dtype="float32"), inputs()
    doubles = {name: w.astype(np.float64) for name, w in weights.items()}
    for found in (exact_average(weights, X, DROPOUT).arithmetic, weight_scaling(weights, X)):
        assert found.dtype == np.float64
    np.testing.assert_array_equal(weight_scaling(weights, X), weight_scaling(doubles, X))
    np.testing.assert_array_equal(
        exact_average(weights, X, DROPOUT).geometric, exact_average(doubles, X, DROPOUT).geometric
    )
    np.testing.assert_allclose(predict_mc(weights, X, 3).mean.sum(axis=1), 1, rtol=1e-15)
