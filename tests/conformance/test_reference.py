"""The conformance suite's own reference is right: finite differences and another textbook agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from d2ldrop.conformance.problems import boolean_masks, make_step, network
from d2ldrop.conformance.reference import (
    FAULTS,
    NAMES,
    Step,
    clipped,
    cross_entropy,
    hints,
    logits_of,
    right,
    take,
)
from d2ldrop.conformance.trainings import PLAIN, STEPS, by_the_book, data, expected, trained
from d2ldrop.core.noise import NOISES
from d2ldrop.core.randomness import initial_weights
from d2ldrop.handwritten import backward_propagation_with_dropout, compute_cost
from d2ldrop.training.short_training import short_weights


def loss_of(step: Step, name: str, index: tuple[int, ...], by: float) -> float:
    """The loss after one number of one parameter has moved."""
    params = [param.copy() for param in step.params]
    params[NAMES.index(name)][index] += by
    return float(cross_entropy(logits_of(tuple(params), step.X, step.noise), step.y))


@pytest.mark.parametrize("noise", ["boolean", *NOISES])
def test_gradients_equal_finite_differences(noise: str) -> None:
    step, rng = make_step(31, (12, 9), noise=noise), np.random.default_rng(0)
    for name, gradient in zip(NAMES, right(step).gradients, strict=True):
        for _ in range(6):
            index = tuple(int(rng.integers(size)) for size in gradient.shape)
            ends = [loss_of(step, name, index, by) for by in (1e-6, -1e-6)]
            assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(gradient[index], abs=3e-8), name


def test_two_classes_equal_the_handwritten_network() -> None:
    """A softmax of (0, z) is a sigmoid of z, which the handwritten network has."""
    widths, rates, n = (12, 9), (0.3, 0.6), 31
    W1, b1, W2, b2, W3, b3 = network(widths)
    W3, b3 = W3[:, :2].copy(), b3[:2].copy()
    W3[:, 0], b3[0] = 0, 0
    step = make_step(n, widths)
    y = step.y % 2
    step = replace(
        step, params=(W1, b1, W2, b2, W3, b3), y=y, noise=boolean_masks(n, widths, rates)
    )
    masks = [site.mask.T for site in step.noise]
    keep = [1 - p for p in rates]
    Z1 = W1.T @ step.X.T + b1[:, None]
    A1 = np.maximum(Z1, 0) * masks[0] / keep[0]
    Z2 = W2.T @ A1 + b2[:, None]
    A2 = np.maximum(Z2, 0) * masks[1] / keep[1]
    Z3 = W3[:, 1:].T @ A2 + b3[1]
    A3 = 1 / (1 + np.exp(-Z3))
    cache = (
        *(Z1, masks[0], A1, W1.T, b1[:, None]),
        *(Z2, masks[1], A2, W2.T, b2[:, None]),
        *(Z3, A3, W3[:, 1:].T, b3[1:, None]),
    )
    found = backward_propagation_with_dropout(step.X.T, y[None], cache, (keep[0], keep[1]))
    result = right(step)
    assert float(result.loss) == pytest.approx(compute_cost(A3, y[None]), rel=1e-13)
    for name, gradient in zip(NAMES, result.gradients, strict=True):
        mine = gradient[..., 1:] if name in ("W3", "b3") else gradient
        theirs = found[f"d{name}"]
        np.testing.assert_allclose(mine, theirs.T.reshape(mine.shape), atol=1e-14)


def test_a_step_by_hand() -> None:
    """Weight decay on W alone, then max-norm of the columns."""
    step = make_step(31, (12, 9), weight_decay=0.3, max_norm=0.8)
    for name, new, old, gradient in zip(
        NAMES, take(step).params, step.params, right(step).gradients, strict=True
    ):
        moved = old - 0.1 * gradient
        if name.startswith("W"):
            moved -= 0.1 * 0.3 * old
            norms = np.linalg.norm(moved, axis=0)
            assert norms.max() > 0.8 or name == "W1"
            moved *= np.minimum(1, 0.8 / norms)
        np.testing.assert_allclose(new, moved, rtol=1e-14, atol=1e-15)


def test_max_norm_leaves_small_columns_and_biases() -> None:
    params = network((12, 9))
    assert all(np.array_equal(a, b) for a, b in zip(clipped(params, 100.0), params, strict=True))


def test_the_loss_of_large_logits_is_finite() -> None:
    logits = np.array([[1e4, -1e4, 0.0], [0.0, 1e4, 1e4]])
    assert float(cross_entropy(logits, np.array([0, 2]))) == pytest.approx(np.log(2) / 2)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_known_fault_changes_something(fault: str) -> None:
    """A hint that gives what is right could name a fault that is not there."""
    W1, b1, *rest = (param.copy() for param in network((16, 16)))
    W1[:, 0], b1[0] = 0, 0  # a unit at ReLU's tie
    step = make_step(31, (16, 16), noise="boolean", weight_decay=0.3, max_norm=1.7)
    step = replace(step, params=(W1, b1, *rest))
    wrong, good = FAULTS[fault](step), right(step)
    pairs = zip(
        (*wrong.params, wrong.loss, wrong.logits, *wrong.gradients),
        (*good.params, good.loss, good.logits, *good.gradients),
        strict=True,
    )
    assert any(np.abs(a - b).max() > 1e-10 for a, b in pairs)


def test_a_fault_that_is_impossible_explains_nothing() -> None:
    step = make_step(31, (12, 9), noise="boolean")
    causes = hints(step, lambda result: result.logits)
    for name in ("the noise of the two sites exchanged", "W2 transposed"):
        assert causes[name]().shape == (0,)


def test_a_training_by_the_book_is_in_lockstep_with_numpy() -> None:
    for seed in (0, 1):
        recipe = replace(PLAIN, seed=seed)
        assert expected(recipe).first_difference(trained("numpy", recipe, "cpu")) is None


def test_a_training_by_the_book_has_a_smaller_last_batch() -> None:
    found = by_the_book(PLAIN, short_weights(PLAIN))
    assert [len(found[f"logits/{step}"]) for step in (1, 2, 3, 4)] == [32, 32, 16, 32]
    assert found["loss"].shape == (STEPS,)
    assert len(data().train_images) == 80


def test_another_start_is_out_of_lockstep() -> None:
    weights = initial_weights(1, PLAIN.sizes, "float64")
    difference = expected(PLAIN).first_difference(by_the_book(PLAIN, weights))
    assert difference is not None
    assert difference.sentence.startswith("differs first at step 1 in the logits by")
