"""Fresh masks: what a backend draws from the framework's own generator, and when."""

from __future__ import annotations

import sys
from typing import Any

import d2ldrop_numpy as reference
import numpy as np
from d2ldrop_numpy_layers import Dropout

from d2ldrop.backend import Backend
from d2ldrop.core.noise import LayerNoise

Module = Backend[Any]


def kept(backend: Module, dropout: float, n: int = 1000, dtype: str = "float32") -> Any:
    """Which of n elements a fresh mask keeps."""
    X = backend.from_numpy(np.ones(n, dtype))
    return np.array(backend.to_numpy(backend.dropout_layer(X, dropout))) != 0


def test_p_0_and_p_1_draw_nothing(backend: Module) -> None:
    """A layer without random numbers leaves those of the next layer unchanged."""
    masks = []
    for rates in ((), (0, 1)):
        backend.manual_seed(0)
        for p in rates:
            kept(backend, p)
        masks.append(kept(backend, 0.5))
    np.testing.assert_array_equal(masks[0], masks[1])


def draws(name: str, n: int) -> Any:
    """The next n uniform numbers of the framework's generator, as float32."""
    if name == "numpy":
        return reference.generator.random(n, dtype=np.float32)
    framework = sys.modules[name]
    if name == "tensorflow":
        return framework.random.uniform([n]).numpy()
    if name == "mxnet":
        return framework.np.random.uniform(size=n).asnumpy()
    if name == "jax":  # manual_seed(0) came before; the second key is for the mask
        _, key = framework.random.split(framework.random.key(0))
        return np.asarray(framework.random.uniform(key, n, np.float32))
    return framework.rand([n], dtype=framework.float32).numpy()


def test_a_draw_that_equals_p_keeps_its_element(backend: Module, backend_name: str) -> None:
    """Draws lie in [0, 1): u >= p keeps with probability 1 - p, but u > p with less."""
    backend.manual_seed(0)
    u = draws(backend_name, 1000)
    for p in u[:3]:
        backend.manual_seed(0)
        np.testing.assert_array_equal(kept(backend, float(p)), u >= p)


def test_the_other_masks_of_numpy_keep_such_an_element() -> None:
    """NumPy also draws masks in its training step and in its layer."""
    reference.manual_seed(0)
    u = reference.generator.random((50, 20), dtype=np.float32)
    for p in u[0, :3]:
        reference.manual_seed(0)
        site = LayerNoise(float(p))
        first, second = reference.draw_masks((site, LayerNoise(0)), 50, [20, 20])
        reference.manual_seed(0)
        layer = Dropout(float(p), reference.generator)
        Y = layer.forward(np.ones((50, 20)), training=True)
        np.testing.assert_array_equal(first.mask, u >= p)
        np.testing.assert_array_equal(Y != 0, u >= p)
        assert second.mask is None
