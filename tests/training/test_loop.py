"""The training loop has the right metrics, masks and devices on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from d2ldrop import Recipe, initial_weights
from d2ldrop.backend import Backend
from tests.training.runs import small_run


def test_a_run_has_history_weights_and_trace(backend: Backend[Any], backend_name: str) -> None:
    run = small_run(backend_name)
    assert [result.epoch for result in run.history] == [1, 2, 3]
    assert run.trace.dtype == np.float64
    assert run.trace.shape == (15,)  # three epochs: four batches of 32 images and one of 22
    first = np.average(run.trace[:5], weights=[32, 32, 32, 32, 22])
    assert run.history[0].train_loss == pytest.approx(first)
    assert {name: w.shape for name, w in run.weights.items()} == {
        "W1": (784, 16), "b1": (16,), "W2": (16, 8), "b2": (8,), "W3": (8, 10), "b3": (10,),
    }  # fmt: skip
    assert all(w.dtype == np.float32 for w in run.weights.values())


def test_float32_runs_have_the_same_first_losses_on_every_backend(
    backend: Backend[Any], backend_name: str
) -> None:
    """Weights, batches and masks are NumPy's, so the losses agree until rounding has grown."""
    np.testing.assert_allclose(small_run(backend_name).trace, small_run("numpy").trace, rtol=1e-4)


def test_native_runs_are_reproducible_and_have_other_masks(
    backend: Backend[Any], backend_name: str
) -> None:
    recipe = Recipe(num_epochs=2, batch_size=32, num_hiddens=(16, 8), rng="native")
    runs = [small_run(backend_name, recipe=recipe) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].trace, runs[1].trace)
    assert (runs[0].trace != small_run(backend_name).trace[:10]).any()


def test_dropout_1_trains_only_the_last_bias(backend: Backend[Any], backend_name: str) -> None:
    recipe = Recipe(num_epochs=1, num_hiddens=(16, 8), dropout=(1, 1))
    run = small_run(backend_name, recipe=recipe)
    start = initial_weights(0, recipe.sizes)
    changed = [name for name, w in run.weights.items() if (w != start[name]).any()]
    assert changed == ["b3"]


def test_a_missing_device_is_refused(backend: Backend[Any], backend_name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"{backend_name} cannot use device 'gpu:7' here: expected one of cpu"
    ):
        small_run(backend_name, device="gpu:7")
    with pytest.raises(ValueError, match="device must be cpu, gpu or gpu:N, got 'tpu'"):
        small_run(backend_name, device="tpu")
