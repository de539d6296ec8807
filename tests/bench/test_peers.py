"""The dropout, the matrix products and the trainers of each framework work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from d2ldrop.backend import Backend
from d2ldrop.core.randomness import dropout_mask, initial_weights
from d2ldrop.core.recipe import Recipe

Module = Backend[Any]


def peers_of(backend_name: str) -> Any:
    return __import__(f"d2ldrop.bench.on_{backend_name}", fromlist=["trainers"])


@pytest.mark.parametrize("backward", [False, True])
def test_the_frameworks_own_dropout_drops_and_scales(
    backend: Module, backend_name: str, backward: bool
) -> None:
    peers = peers_of(backend_name)
    X = backend.from_numpy(np.ones((300, 300), np.float32))
    own = (peers.own_forward_backward if backward else peers.own_dropout)(X, 0.2)
    values = np.asarray(backend.to_numpy(own))
    # NumPy's function applies mask and scale twice: once forward, once backward.
    kept = values[values != 0]
    assert abs(kept.size / values.size - 0.8) < 0.02
    np.testing.assert_allclose(kept, 1.25**2 if backend_name == "numpy" and backward else 1.25)


def test_d2ldrop_applies_the_mask_of_the_shared_stream(backend: Module, backend_name: str) -> None:
    peers = peers_of(backend_name)
    X = backend.from_numpy(np.ones((30, 40), np.float32))
    gradient = np.asarray(backend.to_numpy(peers.forward_backward(X, 0.2, 3)))
    mask = dropout_mask((30, 40), 0.2, seed=0, step=3)
    np.testing.assert_array_equal(gradient != 0, mask)


@pytest.mark.filterwarnings("ignore")  # the trainers of MXNet and Paddle warn
def test_every_path_and_every_trainer_runs(backend: Module, backend_name: str) -> None:
    peers, recipe = peers_of(backend_name), Recipe(num_hiddens=(16, 12), batch_size=100)
    weights = initial_weights(0, recipe.sizes, "float32")
    rng = np.random.default_rng(0)
    X, y = rng.random((300, 784), np.float32), rng.integers(0, 10, 300)
    paths = peers.product_paths(X, [weights[name] for name in ("W1", "W2", "W3")], 100)
    # Lightning changes warning filters and loggers, so only a worker process may run it.
    trainers = {k: v for k, v in peers.trainers(X, y, recipe).items() if k != "Lightning"}
    assert paths
    assert bool(trainers) == (backend_name != "numpy")
    for run in (*paths.values(), *trainers.values()):
        run()
