"""Training in JAX: what is compiled, and when; what Flax's own layers do."""

from __future__ import annotations

import gc
import logging
import re
from typing import Any

import numpy as np
import pytest

import d2ldrop
from d2ldrop import Recipe
from d2ldrop.backend import Backend, get_train_steps
from d2ldrop.core.noise import LayerNoise
from tests.backends.test_backends import Problem

Module = Backend[Any]


@pytest.mark.only("jax")
def test_each_function_is_compiled_once(backend: Module, caplog: pytest.LogCaptureFixture) -> None:
    """In three epochs with a smaller last chunk and a smaller last batch."""
    import jax

    data = d2ldrop.load_data("stand-in", train_size=100 * 64 + 20, test_size=10)
    recipe = Recipe(num_epochs=3, batch_size=64, num_hiddens=(6, 5))
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        d2ldrop.train("jax", recipe, data=data)
    compiled = re.findall(r"Finished XLA compilation of jit\((\w+)\)", caplog.text)
    assert compiled.count("steps") == 2  # for chunks of 72 and of 28 steps
    assert compiled.count("take") == 1  # for the last batch
    caplog.clear()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        d2ldrop.train("jax", recipe, data=data)
    assert "Finished XLA compilation" not in caplog.text


@pytest.mark.only("jax")
def test_a_schedule_does_not_fill_the_memory(backend: Module) -> None:
    """Drop probabilities are constants of compiled functions; few of these are kept."""
    import jax

    train_steps = get_train_steps("jax")
    assert train_steps is not None
    params, X, y, noise = Problem("float32").on(backend)
    kept = []
    for p in np.linspace(0.1, 0.9, 7):
        first, second = (site._replace(dropout=float(p)) for site in noise)
        backend.train_step(params, X, y, 0.1, (first, second))
        first, second = (site._replace(mask=site.mask[None]) for site in (first, second))
        train_steps(params, X[None], y[None], 0.1, (first, second))
        gc.collect()
        kept.append(len(jax.devices()[0].client.live_executables()))
    assert kept[-1] <= kept[2]


@pytest.mark.only("jax")
def test_several_steps_with_fresh_masks_have_one_for_each(backend: Module) -> None:
    train_steps = get_train_steps("jax")
    assert train_steps is not None
    params, X, y, _ = Problem("float64").on(backend)
    X, y = (backend.from_numpy(np.stack([backend.to_numpy(array)] * 3)) for array in (X, y))
    before = [backend.to_numpy(param).copy() for param in params]
    losses = []
    for seed in (1, 1, 2):
        backend.manual_seed(seed)
        noise = LayerNoise(0.5), LayerNoise(0.5)
        losses.append(backend.to_numpy(train_steps(params, X, y, 0.0, noise)[1]))
    np.testing.assert_array_equal(losses[0], losses[1])
    assert len(np.unique(losses)) == 6
    for param, expected in zip(params, before, strict=True):  # still valid, and unchanged
        np.testing.assert_array_equal(backend.to_numpy(param), expected)


@pytest.mark.only("jax")
def test_concise_steps_equal_those_from_scratch(backend: Any) -> None:
    """In float64, with dropout of 0; lr is not a number that float32 holds."""
    problem = Problem("float64", (0.0, 0.0))
    params, X, y, noise = problem.on(backend)
    net, trainer = backend.concise_mlp(problem.params, (0.0, 0.0), 0.1)
    for _ in range(5):
        params, expected_loss, _ = backend.train_step(params, X, y, 0.1, noise)
        loss, _ = backend.concise_step(net, trainer, X, y)
        np.testing.assert_allclose(loss, expected_loss, rtol=1e-13)
    for found, param in zip(backend.concise_params(net), params, strict=True):
        np.testing.assert_allclose(found, param, rtol=0, atol=1e-13)


@pytest.mark.only("jax")
def test_dropout_is_on_in_a_concise_step_and_off_in_predict(backend: Any) -> None:
    """In either order; manual_seed repeats the steps."""
    problem = Problem("float64")
    _, X, y, _ = problem.on(backend)
    plain = backend.predict(backend.init_params(problem.params), X)
    results = []
    for predict_first in (False, True):
        backend.manual_seed(3)
        net, trainer = backend.concise_mlp(problem.params, (0.5, 0.5), 0.0)
        drawn = []
        for _ in range(2):
            if predict_first:
                np.testing.assert_allclose(backend.concise_predict(net, X), plain, rtol=1e-12)
            drawn.append(np.asarray(backend.concise_step(net, trainer, X, y)[1]))
            np.testing.assert_allclose(backend.concise_predict(net, X), plain, rtol=1e-12)
        assert (drawn[0] != drawn[1]).any()
        assert (drawn[0] != plain).any()
        results.append(drawn)
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.only("jax")
def test_from_numpy_takes_every_byte_order_and_bfloat16(backend: Any) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.arange(6).reshape(2, 3)
    for dtype in (">f8", ">f4", ">f2", ">i8", ">i4", ml_dtypes.bfloat16):
        array = values.astype(dtype)
        x = backend.from_numpy(array)
        assert np.dtype(x.dtype) == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(np.asarray(x).astype(int), values)
