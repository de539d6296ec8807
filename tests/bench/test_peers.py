"""The dropout, the matrix products and the trainers of each framework work."""

from __future__ import annotations

from functools import partial
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from d2ldrop.backend import Backend
from d2ldrop.bench.peers import get_peers
from d2ldrop.bench.products import one_thread_per_core, step_of_products
from d2ldrop.core.randomness import dropout_mask, initial_weights
from d2ldrop.core.recipe import Recipe

Module = Backend[Any]


def peers_of(backend_name: str) -> Any:
    return __import__(f"d2ldrop.bench.on_{backend_name}", fromlist=["trainers"])


def np_matmul(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    return (a.T if transpose_a else a) @ (b.T if transpose_b else b)


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
def test_every_path_computes_the_products_and_every_trainer_runs(
    backend: Module, backend_name: str
) -> None:
    peers, recipe = peers_of(backend_name), Recipe(num_hiddens=(16, 12), batch_size=128)
    weights = initial_weights(0, recipe.sizes, "float32")
    Ws = [weights[name] for name in ("W1", "W2", "W3")]
    rng = np.random.default_rng(0)
    X, y = rng.random((300, 784), np.float32), rng.integers(0, 10, 300)
    for size in (128, 150):  # the last batch is smaller, and is not
        paths = peers.product_paths(X, Ws, size)
        assert paths
        expected = step_of_products(np_matmul, X[-(300 % size or size) :], Ws)
        for path in paths.values():
            for found, product in zip(path(), expected, strict=True):
                np.testing.assert_allclose(found, product, rtol=1e-4, atol=1e-6 * product.max())
    # Lightning changes warning filters and loggers, so only a worker process may run it.
    trainers = {k: v for k, v in peers.trainers(X, y, recipe).items() if k != "Lightning"}
    assert bool(trainers) == (backend_name != "numpy")
    for run in trainers.values():
        run()


@pytest.mark.only("torch", "paddle")
def test_each_thread_of_the_products_multiplies_on_one_core(backend: Module) -> None:
    def cores(_: int) -> int:
        return max(int(library["num_threads"]) for library in threadpool_info())

    with threadpool_limits(3):
        assert one_thread_per_core(cores, [0, 1, 2])() == 1
        assert cores(0) == 3


@pytest.mark.only("jax")
def test_the_compiler_of_jax_omits_no_product(backend: Module) -> None:
    import jax

    sizes = (8, 784), (784, 16), (16, 12), (12, 10)
    x, *Ws = (np.ones(size, np.float32) for size in sizes)
    compiled: Any = jax.jit(partial(step_of_products, np_matmul)).lower(x, weights=Ws).compile()
    # Three products per layer, two in the first; 2 n a b operations each.
    assert compiled.cost_analysis()["flops"] == 2 * 8 * (2 * 784 * 16 + 3 * 16 * 12 + 3 * 12 * 10)


@pytest.mark.only("numpy")
def test_a_framework_without_a_module_has_no_peers_and_a_module_has_all_functions(
    backend: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get_peers("numpy") is peers_of("numpy")
    monkeypatch.setattr("d2ldrop.bench.peers.modules_of", lambda _: {})
    assert get_peers("numpy") is None
    entry = EntryPoint("numpy", "d2ldrop.bench.products", "d2ldrop.bench")
    monkeypatch.setattr("d2ldrop.bench.peers.modules_of", lambda _: {"numpy": entry})
    missing = "product_paths, trainers, own_dropout, own_forward_backward, forward_backward, sync"
    with pytest.raises(TypeError, match=f"the module d2ldrop.bench.products, .* lacks {missing}"):
        get_peers("numpy")
