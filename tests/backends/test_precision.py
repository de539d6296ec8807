"""A float64 step uses its numbers in float64: float32 would round them in the eighth digit.

Each number here is one that float32 does not hold: 0.1 or 0.3, but not 0.5 or 1 / (1 - 0.2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from d2ldrop import dropout_layer
from d2ldrop.backend import Backend, get_train_steps
from d2ldrop.core.noise import LayerNoise
from d2ldrop.core.threads import LARGE
from d2ldrop.layer import FUSED
from tests.backends.test_backends import Problem, on_framework

Module = Backend[Any]


def test_a_step_uses_lr_and_weight_decay_in_float64(backend: Module, backend_name: str) -> None:
    """This protects the update of the parameters, also in several steps that are compiled."""
    problem, lr, decay = Problem("float64"), 0.1, 0.3
    first, second = (LayerNoise(p, mask / (1 - p), "multiply") for p, mask, _ in problem.noise)
    problem.noise = first, second
    expected = [
        param - lr * (grad + decay * param if param.ndim == 2 else grad)
        for param, grad in zip(problem.params, problem.gradients(), strict=True)
    ]
    params, X, y, noise = problem.on(backend)
    results = [backend.train_step(params, X, y, lr, noise, decay)[0]]
    if train_steps := get_train_steps(backend_name):
        X, y = (backend.from_numpy(array[None].copy()) for array in (problem.X, problem.y))
        first, second = (site._replace(mask=site.mask[None].copy()) for site in problem.noise)
        noise = on_framework(backend, (first, second))
        params = backend.init_params(problem.params)
        results.append(train_steps(params, X, y, lr, noise, decay)[0])
    for params in results:
        for found, want in zip(params, expected, strict=True):
            np.testing.assert_allclose(backend.to_numpy(found), want, rtol=0, atol=3e-15)


@pytest.mark.parametrize("dropout", [0.1, 0.3])
def test_a_backend_scales_boolean_masks_in_float64(backend: Module, dropout: float) -> None:
    """This protects the scale 1 / (1 - p) of given and of fresh masks."""
    rng = np.random.default_rng(0)
    X, keep = rng.random((40, 30)) + 1, rng.random((40, 30)) >= dropout
    given, fresh = (
        np.array(backend.to_numpy(backend.dropout_layer(backend.from_numpy(X), dropout, mask=mask)))
        for mask in (backend.from_numpy(keep), None)
    )
    for Y, kept in ((given, keep), (fresh, fresh != 0)):
        np.testing.assert_allclose(Y, kept * X / (1 - dropout), rtol=1e-15, atol=0)


@pytest.mark.parametrize("size", [8, FUSED, LARGE], ids=["small", "fused", "threads"])
def test_the_layer_scales_shared_masks_in_float64(backend: Module, size: int) -> None:
    """This protects the same scale on each of the layer's paths, which depend on the size."""
    keep = np.random.default_rng(0).random((8, size // 8)) >= 0.3
    X = np.full(keep.shape, 1.1)
    Y = np.array(backend.to_numpy(dropout_layer(backend.from_numpy(X), 0.3, mask=keep)))
    np.testing.assert_allclose(Y, keep * X / (1 - 0.3), rtol=1e-15, atol=0)
