"""Each backend agrees with NumPy in the forward pass, the gradients, one step and many steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import d2ldrop_numpy as reference
import numpy as np
import pytest

from d2ldrop import Recipe, initial_weights
from d2ldrop.backend import Backend
from d2ldrop.comparison.lockstep import NUM_NUDGES, Lockstep, largest_difference, yardstick
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.core.noise import LayerNoise, Noise
from d2ldrop.core.randomness import nudged
from d2ldrop.data import Dataset
from d2ldrop.data.stand_in import stand_in
from d2ldrop.training.loop import evaluate
from d2ldrop.training.steps import weights_after

Module = Backend[Any]
TOLERANCE = {"float32": 2e-5, "float64": 1e-13}


class Problem:
    """A small network with large weights, a batch and its masks, as NumPy arrays."""

    def __init__(self, dtype: str, dropout: tuple[float, float] = (0.2, 0.5)) -> None:
        rng = np.random.default_rng(0)
        sizes = (784, 12, 9, 10)
        self.dropout = dropout
        self.params = [100 * w / 30 for w in initial_weights(0, sizes, dtype).values()]
        for bias in self.params[1::2]:
            bias += rng.normal(0, 0.1, bias.shape).astype(dtype)
        self.X = rng.random((31, 784)).astype(dtype)
        self.y = rng.integers(0, 10, 31)
        self.noise: Noise = (
            LayerNoise(dropout[0], dropout_mask((31, sizes[1]), dropout[0], seed=0, site=0)),
            LayerNoise(dropout[1], dropout_mask((31, sizes[2]), dropout[1], seed=0, site=1)),
        )

    def on(self, backend: Module) -> tuple[list[Any], Any, Any, Noise]:
        """Return parameters, X, y and noise as arrays of the framework."""
        return (
            backend.init_params(self.params),
            backend.from_numpy(self.X),
            backend.from_numpy(self.y),
            on_framework(backend, self.noise),
        )

    def gradients(self) -> list[Any]:
        """Return the gradients from NumPy's handwritten backward pass."""
        activations = reference.forward(self.params, self.X, self.noise)
        _, dO = reference.cross_entropy_and_gradient(activations[-1], self.y)
        return reference.backward(self.X, activations, dO, self.noise)


def on_framework(backend: Module, noise: Noise) -> Noise:
    """Return the noise with its masks as arrays of the framework."""
    first, second = (
        site if site.mask is None else site._replace(mask=backend.from_numpy(site.mask))
        for site in noise
    )
    return first, second


def test_the_gradients_of_numpy_equal_finite_differences() -> None:
    problem = Problem("float64")
    shapes = [w.shape for w in problem.params]
    ends = np.cumsum([w.size for w in problem.params])
    start = np.concatenate([w.ravel() for w in problem.params])

    def loss(flat: Any) -> float:
        parts = np.split(flat, ends[:-1])
        params = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        logits = reference.mlp(params, problem.X, problem.noise)
        return float(reference.cross_entropy(logits, problem.y))

    def by_differences(index: int) -> float:
        step = 1e-6
        moved = [start.copy(), start.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        return (loss(moved[0]) - loss(moved[1])) / (2 * step)

    gradient = np.concatenate([g.ravel() for g in problem.gradients()])
    # Every 97th element of the large W1, and all elements of the other parameters.
    for index in [*range(0, ends[0], 97), *range(ends[0], ends[-1])]:
        assert gradient[index] == pytest.approx(by_differences(index), abs=2e-8), index


def test_the_loss_of_large_logits_is_finite(backend: Module) -> None:
    logits = backend.from_numpy(np.array([[1e4, -1e4, 0.0], [0.0, 1e4, 1e4]]))
    loss = backend.cross_entropy(logits, backend.from_numpy(np.array([0, 2])))
    assert numpy(backend, loss) == pytest.approx(np.log(2) / 2)


def small_data() -> Dataset:
    return Dataset("stand-in", *stand_in(2000, 200))


@pytest.mark.parametrize("seed", [0, 1])
def test_sixty_steps_stay_in_lockstep(backend: Module, backend_name: str, seed: int) -> None:
    """Train for seven and a half short epochs. test_full_runs.py trains at full length."""
    data, steps = small_data(), 60
    recipe = Recipe(seed=seed, dtype="float64", num_hiddens=(64, 32))
    weights = initial_weights(seed, recipe.sizes, recipe.dtype)
    expected = weights_after("numpy", weights, recipe, data, steps)
    moved = [
        weights_after("numpy", nudged(weights, seed, nudge), recipe, data, steps)
        for nudge in range(NUM_NUDGES)
    ]
    found = weights_after(backend_name, weights, recipe, data, steps)
    difference = largest_difference(found, expected)
    size = yardstick(expected, moved)
    check = Lockstep("first steps", steps, (backend_name,), size, {backend_name: difference})
    assert check.holds(backend_name), check


def test_a_genuine_fault_exceeds_the_limit_of_lockstep(backend: Module, backend_name: str) -> None:
    """The check must notice a drop rate that is wrong by 1e-5, and a run in float32."""
    data, steps = small_data(), 20
    recipe = Recipe(dtype="float64", num_hiddens=(64, 32))
    weights = initial_weights(0, recipe.sizes, recipe.dtype)
    expected = weights_after("numpy", weights, recipe, data, steps)
    other_dropout = replace(recipe, dropout=(0.2, 0.5 + 1e-5))
    in_float32 = replace(recipe, dtype="float32")
    weights32 = initial_weights(0, recipe.sizes, "float32")
    for found in (
        weights_after(backend_name, weights, other_dropout, data, steps),
        weights_after(backend_name, weights32, in_float32, data, steps),
    ):
        assert largest_difference(found, expected) > 1e-8


def test_loss_and_accuracy_equal_those_of_numpy(backend: Module, backend_name: str) -> None:
    data = small_data()
    weights = initial_weights(0, Recipe().sizes)
    loss, accuracy = evaluate(weights, backend_name, data)
    assert loss == pytest.approx(np.log(10), abs=0.01)
    expected_loss, expected_accuracy = evaluate(weights, "numpy", data)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert accuracy == pytest.approx(expected_accuracy, abs=0.01)


def numpy(backend: Module, x: Any) -> Any:
    return np.array(backend.to_numpy(x))


def memory(offset: int, dtype: str, shape: tuple[int, ...] = (16, 8)) -> Any:
    """Return an array whose address is a multiple of 64 plus ``offset`` bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(size + 128, np.uint8)
    start = -raw.ctypes.data % 64 + offset
    array = raw[start : start + size].view(dtype).reshape(shape)
    array[...] = np.arange(array.size).reshape(shape) % 7
    return array


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array
