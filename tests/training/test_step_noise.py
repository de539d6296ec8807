"""Noise, schedules and regularisers follow their sources on every backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import d2ldrop_numpy as reference
import numpy as np
import pytest
from scipy import stats

from d2ldrop import Recipe, initial_weights, scale_weights, train
from d2ldrop.backend import Backend
from d2ldrop.comparison.lockstep import NUM_NUDGES, largest_difference, yardstick
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.core.noise import NOISES, LayerNoise
from d2ldrop.core.randomness import nudged
from d2ldrop.data import Dataset
from d2ldrop.data.stand_in import stand_in
from d2ldrop.training.step_noise import draw_noise, drop_pixels, hidden_rates, input_rate
from d2ldrop.training.steps import weights_after
from tests.backends.test_backends import TOLERANCE, Problem, on_framework

Module = Backend[Any]
SMALL = Recipe(dtype="float64", num_hiddens=(64, 32), lr=0.5, batch_size=64)


# Random numbers


def test_a_schedule_also_applies_to_the_input() -> None:
    recipe = Recipe(schedule="linear:2", input_dropout=0.2, dropout=(0.4, 0.6))
    assert (input_rate(recipe, 1), hidden_rates(recipe, 1)) == (0.1, (0.2, 0.3))
    assert (input_rate(recipe, 2), hidden_rates(recipe, 2)) == (0, (0, 0))
    without = replace(recipe, noise="none")
    assert (input_rate(without, 0), hidden_rates(without, 0)) == (0.2, (0, 0))


@pytest.mark.parametrize("noise", NOISES)
def test_no_random_numbers_are_drawn_at_strength_0(
    noise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for draw in ("dropout_mask", "normal_noise"):  # a call would fail
        monkeypatch.setattr(f"d2ldrop.training.step_noise.{draw}", None)
    recipe = Recipe(noise=noise, schedule="early:1", input_dropout=0.2)
    assert [site.mask for site in draw_noise(recipe, 1, 0, 5)] == [None, None]
    X = np.ones((5, 784), np.float32)
    assert drop_pixels(X, recipe, 1, 0) is X


def test_dropout_has_the_masks_of_the_specification() -> None:
    noise = draw_noise(Recipe(), epoch=0, step=2349, n=256)
    assert [site.dropout for site in noise] == [0.2, 0.5]
    for site, (p, mask, kind) in enumerate(noise):
        expected = dropout_mask((256, 256), p, seed=0, step=2349, site=site)
        assert kind == "multiply"
        assert mask.dtype == np.float32
        np.testing.assert_array_equal(mask, expected / np.float32(1 - p))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussian_noise_has_the_mean_and_variance_of_dropout(dtype: str) -> None:
    """For ones: mean 1 and variance p / (1 - p) (Srivastava et al., section 10)."""
    recipe = Recipe(noise="gaussian", dropout=(0.2, 0.5), num_hiddens=(300, 300), dtype=dtype)
    noise = draw_noise(recipe, 0, 3, 1000)
    for p, mask, kind in noise:
        assert kind == "multiply"
        assert mask.shape == (1000, 300)
        assert mask.dtype == dtype
        factors = mask.ravel()
        assert factors.mean() == pytest.approx(1, abs=0.01)
        assert factors.var() == pytest.approx(p / (1 - p), rel=0.02)
        standard = (factors - 1) / np.sqrt(p / (1 - p))
        assert stats.kstest(standard, "norm").pvalue > 1e-3


def test_additive_noise_has_the_variance_of_gaussian_noise_at_one() -> None:
    recipe = Recipe(noise="additive", dropout=(0.2, 0.5), num_hiddens=(300, 300))
    noise = draw_noise(recipe, 0, 3, 1000)
    for p, added, kind in noise:
        assert kind == "add"
        assert added.mean() == pytest.approx(0, abs=0.01)
        assert added.var() == pytest.approx(p / (1 - p), rel=0.02)
        assert stats.kstest(added.ravel() / np.sqrt(p / (1 - p)), "norm").pvalue > 1e-3


@pytest.mark.parametrize(
    ("noise", "shapes"),
    [("unit", [(1, 30), (1, 20)]), ("dropconnect", [(30, 20), (20, 10)])],
)
def test_unit_and_dropconnect_masks_have_the_right_shapes(
    noise: str, shapes: list[tuple[int, int]]
) -> None:
    drawn = draw_noise(Recipe(noise=noise, num_hiddens=(30, 20)), 0, 0, 64)
    assert [site.mask.shape for site in drawn] == shapes


def test_each_step_site_and_noise_has_another_mask() -> None:
    recipe = Recipe(dropout=(0.5, 0.5), num_hiddens=(64, 64))
    drawn = [
        site.mask.tobytes()
        for noise in ("dropout", "gaussian", "dropconnect", "unit")
        for step in range(3)
        for site in draw_noise(replace(recipe, noise=noise), 0, step, 64)
        if site.mask.shape != (64, 10)
    ]
    assert len(set(drawn)) == len(drawn) == 21
    X = np.ones((64, 784), np.float32)
    inputs = [drop_pixels(X, replace(recipe, input_dropout=0.5), 0, step) for step in range(3)]
    assert len({x.tobytes() for x in inputs}) == 3
    assert inputs[0].mean() == pytest.approx(1, abs=0.02)  # scaling keeps the mean
    assert set(np.unique(inputs[0])) == {0, 2}


def test_native_runs_have_no_shared_masks() -> None:
    noise = draw_noise(Recipe(rng="native"), 0, 0, 5)
    assert noise == (LayerNoise(0.2), LayerNoise(0.5))


# Effects on each backend


class NoisyProblem(Problem):
    """The problem of test_backends with the noise of a recipe."""

    def __init__(self, dtype: str, **changes: Any) -> None:
        super().__init__(dtype)
        self.recipe = Recipe(num_hiddens=(12, 9), dtype=dtype, **changes)
        self.noise = draw_noise(self.recipe, 0, 0, len(self.X))

    def stepped(self, backend: Module, lr: float) -> tuple[list[Any], Any, Any]:
        """Take one step; return parameters, loss and logits as NumPy arrays."""
        params, X, y, _ = self.on(backend)
        noise = on_framework(backend, self.noise)
        params, loss, logits = backend.train_step(params, X, y, lr, noise, self.recipe.weight_decay)
        return (
            [np.array(backend.to_numpy(param)) for param in params],
            np.array(backend.to_numpy(loss)),
            np.array(backend.to_numpy(logits)),
        )


VARIANTS: list[dict[str, Any]] = [
    *({"noise": noise} for noise in NOISES),
    {"noise": "additive", "dropout": (0, 0.5)},
    {"noise": "dropconnect", "dropout": (0.3, 0)},
    {"noise": "dropconnect", "dropout": (0.3, 1)},
    {"scaling": "original"},
    {"scaling": "original", "dropout": (0, 1)},
    {"weight_decay": 0.1},
]


def name_of(changes: dict[str, Any]) -> str:
    return " ".join(f"{key} {value}" for key, value in changes.items()).replace("-", " ")


@pytest.mark.parametrize("changes", VARIANTS, ids=name_of)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_equals_that_of_numpy(backend: Module, dtype: str, changes: dict[str, Any]) -> None:
    problem = NoisyProblem(dtype, **changes)
    found, loss, logits = problem.stepped(backend, 0.5)
    expected, expected_loss, expected_logits = problem.stepped(reference, 0.5)
    tolerance = TOLERANCE[dtype]
    for param, want in zip(found, expected, strict=True):
        assert param.dtype == dtype
        np.testing.assert_allclose(param, want, atol=20 * tolerance)
    np.testing.assert_allclose(logits, expected_logits, rtol=tolerance, atol=30 * tolerance)
    np.testing.assert_allclose(loss, expected_loss, rtol=10 * tolerance)


@pytest.mark.parametrize("changes", VARIANTS, ids=name_of)
def test_the_step_of_numpy_equals_finite_differences(changes: dict[str, Any]) -> None:
    problem = NoisyProblem("float64", **changes)
    stepped, _, _ = problem.stepped(reference, 1.0)
    rng = np.random.default_rng(1)

    def objective(params: list[Any]) -> float:
        logits = reference.mlp(params, problem.X, problem.noise)
        penalty = sum((W**2).sum() for W in params[::2]) / 2
        loss = float(reference.cross_entropy(logits, problem.y))
        return loss + problem.recipe.weight_decay * float(penalty)

    for index, (before, after) in enumerate(zip(problem.params, stepped, strict=True)):
        for _ in range(12):
            place = tuple(rng.integers(size) for size in before.shape)
            losses = []
            for step in (1e-6, -1e-6):
                moved = [param.copy() for param in problem.params]
                moved[index][place] += step
                losses.append(objective(moved))
            slope = (losses[0] - losses[1]) / 2e-6
            assert (before - after)[place] == pytest.approx(slope, abs=3e-8), (index, place)


def test_each_noise_changes_the_right_array() -> None:
    """Unit drops columns of H1, dropconnect drops weights, and additive also changes zeros."""
    problem = Problem("float64")

    def hidden(**changes: Any) -> tuple[Any, ...]:
        noise = draw_noise(Recipe(num_hiddens=(12, 9), dtype="float64", **changes), 0, 0, 31)
        H1, D1, V2, _, _, _, _ = reference.forward(problem.params, problem.X, noise)
        return H1, D1, V2

    H1, D1, V2 = hidden(noise="unit", dropout=(0.5, 0.5))
    dropped = (D1 == 0).all(axis=0) & (H1 != 0).any(axis=0)
    assert 0 < dropped.sum() < 12
    np.testing.assert_allclose(D1[:, ~dropped], H1[:, ~dropped] / 0.5)
    H1, D1, V2 = hidden(noise="dropconnect", dropout=(0.5, 0.5))
    np.testing.assert_array_equal(D1, H1)
    assert 0.3 < np.mean(V2 == 0) < 0.7
    np.testing.assert_allclose(V2[V2 != 0], problem.params[2][V2 != 0] / 0.5)
    H1, D1, V2 = hidden(noise="additive", dropout=(0.5, 0.5))
    assert ((D1 - H1)[H1 == 0] != 0).all()  # multiplication would keep these zeros
    np.testing.assert_array_equal(V2, problem.params[2])


# Regularisers


def test_weight_decay_does_not_change_biases(backend: Module) -> None:
    plain, decayed = (
        NoisyProblem("float64", weight_decay=decay).stepped(backend, 0.5)[0] for decay in (0, 0.1)
    )
    for before, without, with_decay in zip(Problem("float64").params, plain, decayed, strict=True):
        shrunk = 0.5 * 0.1 * before if before.ndim == 2 else 0
        np.testing.assert_allclose(without - with_decay, shrunk, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_max_norm_shortens_only_long_columns(backend: Module, dtype: str) -> None:
    arrays = Problem(dtype).params
    limit = float(np.median(np.linalg.norm(arrays[0], axis=0)))
    clipped = [
        np.array(backend.to_numpy(param))
        for param in backend.clip_norms(backend.init_params(arrays), limit)
    ]
    rtol = 1e-6 if dtype == "float32" else 1e-14
    for before, after in zip(arrays, clipped, strict=True):
        assert after.dtype == dtype
        if before.ndim == 1:
            np.testing.assert_array_equal(after, before)
            continue
        norms = np.linalg.norm(before, axis=0)
        short = norms <= limit
        np.testing.assert_array_equal(after[:, short], before[:, short])
        expected = before[:, ~short] * (limit / norms[~short])
        np.testing.assert_allclose(after[:, ~short], expected, rtol=rtol)
    short = np.linalg.norm(arrays[0], axis=0) <= limit
    assert 0 < short.sum() < short.size


def test_max_norm_does_not_change_a_column_of_zeros(backend: Module) -> None:
    arrays = [np.zeros((3, 2)), np.zeros(2)]
    clipped = backend.clip_norms(backend.init_params(arrays), 1.0)
    np.testing.assert_array_equal(backend.to_numpy(clipped[0]), np.zeros((3, 2)))


# Whole steps in lockstep


@pytest.mark.parametrize(
    "changes",
    [
        {"noise": "gaussian", "input_dropout": 0.2},
        {"noise": "additive", "max_norm": 0.35},
        {"noise": "dropconnect", "weight_decay": 0.01},
        {"noise": "unit", "schedule": "linear:3"},
        {"noise": "none", "input_dropout": 0.2, "schedule": "late:1"},
        {"scaling": "original"},
    ],
    ids=name_of,
)
def test_each_noise_stays_in_lockstep(
    backend: Module, backend_name: str, changes: dict[str, Any]
) -> None:
    """Train for two and a half short epochs. test_real_data.py trains for a real epoch."""
    data, steps = Dataset("stand-in", *stand_in(1000, 100)), 40
    recipe = replace(SMALL, **changes)
    weights = initial_weights(0, recipe.sizes, recipe.dtype)
    expected = weights_after("numpy", weights, recipe, data, steps)
    moved = [
        weights_after("numpy", nudged(weights, 0, nudge), recipe, data, steps)
        for nudge in range(NUM_NUDGES)
    ]
    found = weights_after(backend_name, weights, recipe, data, steps)
    limit = min(10 * yardstick(expected, moved), 1e-8)
    assert largest_difference(found, expected) <= limit
    # The option has an effect, larger than rounding.
    plain = weights_after(backend_name, weights, SMALL, data, steps)
    assert largest_difference(found, plain) > 1e-4
    if recipe.max_norm is not None:
        norms = np.concatenate([np.linalg.norm(found[W], axis=0) for W in ("W1", "W2", "W3")])
        assert norms.max() == pytest.approx(recipe.max_norm)


def test_runs_of_the_original_form_predict_with_scaled_weights(
    backend: Module, backend_name: str
) -> None:
    data = Dataset("stand-in", *stand_in(1000, 500))
    recipe = Recipe(num_epochs=9, num_hiddens=(64, 32), batch_size=16, scaling="original", lr=0.3)
    run = train(backend_name, recipe, data=data)
    X = data.test_images.reshape(500, 784).astype(np.float32) / 255

    def accuracy(weights: Any) -> float:
        logits = reference.predict(list(weights.values()), X)
        return float(np.mean(logits.argmax(1) == data.test_labels))

    scaled, unscaled = accuracy(scale_weights(run.weights, recipe.dropout)), accuracy(run.weights)
    assert run.history[-1].test_accuracy == pytest.approx(scaled, abs=0.003)
    assert scaled > 0.4
    assert scaled != pytest.approx(unscaled, abs=0.005)
    for site in draw_noise(recipe, 0, 0, 5):  # masks are not scaled in training
        np.testing.assert_array_equal(np.unique(site.mask), [0, 1])
