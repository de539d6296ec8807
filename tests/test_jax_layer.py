"""``dropout_layer`` in the functions that JAX compiles, differentiates and vectorises."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from d2ldrop import dropout_layer, dropout_mask
from d2ldrop.backend import Backend
from tests.conftest import skip_without
from tests.test_compiled_layer import DTYPES, PROBABILITIES, assert_same, backward, masked, seeded

Module = Backend[Any]
WORDS: dict[str, Any] = {"seed": 2**64 - 1, "step": 2349, "site": 1}


@pytest.mark.only("jax")
def test_jit_and_gradients(backend: Module) -> None:
    jax = import_module("jax")  # most of its functions have no types

    def all_calls(x: Any, p: float, keep: Any, mask: Any) -> tuple[Any, ...]:
        return seeded(x, p), masked(x, p, keep), masked(x, p, mask), backward(x, p)

    for dtype in DTYPES:
        for p in PROBABILITIES[dtype]:
            for n in (8, 4):
                x = jax.numpy.asarray(np.random.default_rng(n).normal(size=(n, 16)), dtype)
                keep = dropout_mask((n, 16), 0.3, seed=n)

                def calls(x: Any, p: float = p, keep: Any = keep) -> tuple[Any, ...]:
                    return all_calls(x, p, keep, jax.numpy.array(keep))

                inside, pull = jax.vjp(jax.jit(calls), x)
                outside, expected_pull = jax.vjp(calls, x)
                for Y, expected in zip(inside, outside, strict=True):
                    assert Y.dtype == x.dtype
                    assert_same(Y.astype(float), expected.astype(float), dtype)
                weights = tuple(jax.numpy.full_like(x, 2**i) for i in range(4))
                one, other = (f(weights)[0].astype(float) for f in (pull, expected_pull))
                assert_same(one, other, dtype)


def traced(layer: Any, X: Any) -> dict[str, Callable[[], Any]]:
    """``layer(X)`` or its gradient, in functions that JAX traces before it has values."""
    jax, nnx = import_module("jax"), import_module("flax.nnx")

    return {
        "jit": lambda: jax.jit(layer)(X),
        "jit of a constant": lambda: jax.jit(lambda one: one * layer(X))(1),
        "nnx.jit": lambda: nnx.jit(layer)(X),
        "checkpoint": lambda: jax.checkpoint(layer)(X),
        "cond": lambda: jax.lax.cond(True, layer, lambda x: x, X),
        "scan": lambda: jax.lax.scan(lambda carry, x: (carry, layer(x)), 0, X[None])[1][0],
        "map": lambda: jax.lax.map(layer, X[None])[0],
        "while_loop": lambda: jax.lax.while_loop(lambda x: (x == 1).all(), layer, X),
        "export": lambda: jax.export.export(jax.jit(layer))(X).call(X),
        "make_jaxpr": lambda: jax.make_jaxpr(layer)(X) and layer(X),
        "eval_shape": lambda: jax.eval_shape(layer, X) and layer(X),
        "grad of checkpoint": lambda: jax.grad(lambda x: jax.checkpoint(layer)(x).sum())(X),
        "jit of grad": lambda: jax.jit(jax.grad(lambda x: layer(x).sum()))(X),
        "vmap of jit": lambda: jax.vmap(jax.jit(layer))(X[None])[0],
    }


def eager(layer: Any, X: Any) -> dict[str, Callable[[], Any]]:
    """``layer(X)`` or its gradient, in functions that run at once."""
    jax = import_module("jax")

    def without_jit() -> Any:
        with jax.disable_jit():
            return jax.jit(layer)(X)

    return {
        "grad": lambda: jax.grad(lambda x: layer(x).sum())(X),
        "vjp": lambda: jax.vjp(layer, X)[1](X)[0],
        "jvp": lambda: jax.jvp(layer, (X,), (X,))[1],
        "linearize": lambda: jax.linearize(layer, X)[1](X),
        "jacrev": lambda: jax.jacrev(layer)(X).sum((2, 3)),
        "jacfwd": lambda: jax.jacfwd(layer)(X).sum((2, 3)),
        "hessian": lambda: jax.hessian(lambda x: (layer(x) ** 2).sum() / 4)(X).sum((2, 3)),
        "vmap": lambda: jax.vmap(layer)(X[None])[0],
        "vmap over the last axis": lambda: jax.vmap(layer, 2, 2)(X[..., None])[..., 0],
        "disable_jit": without_jit,
    }


@pytest.mark.only("jax")
def test_every_transform_has_the_layers_mask(backend: Module) -> None:
    """With a seed or a mask. A fresh mask is drawn, or refused where JAX traces a function."""
    jax = import_module("jax")

    X = jax.numpy.ones((8, 16), np.float32)
    keep = dropout_mask((8, 16), 0.5, **WORDS)
    selections: list[dict[str, Any]] = [WORDS, {"mask": keep}]
    for select in selections:

        def layer(x: Any, select: dict[str, Any] = select) -> Any:
            return dropout_layer(x, 0.5, **select)

        for name, call in {**traced(layer, X), **eager(layer, X)}.items():
            np.testing.assert_array_equal(call(), 2.0 * keep, err_msg=name)

    def fresh(x: Any) -> Any:
        return dropout_layer(x, 0.5)

    with jax.checking_leaks():
        for call in traced(fresh, X).values():
            with pytest.raises(
                TypeError, match=r"that JAX traces .* Give dropout_layer a seed and"
            ):
                call()
    for name, call in eager(fresh, X).items():
        assert set(np.unique(call())) == {0, 2}, name


@pytest.mark.only("jax")
def test_the_gradient_of_a_fresh_mask_uses_that_mask(backend: Module) -> None:
    """Under ``vmap`` each example has a mask of its own."""
    jax = import_module("jax")

    def layer(x: Any) -> Any:
        return dropout_layer(x, 0.5)

    def both(layer: Any) -> Any:
        def output_and_gradient(x: Any) -> Any:
            Y, pull = jax.vjp(layer, x)
            return Y, pull(jax.numpy.ones_like(Y))[0]

        return output_and_gradient

    X = jax.numpy.ones((8, 6, 64))
    vmap = jax.vmap
    for function in (
        both(layer),
        vmap(both(layer)),
        both(vmap(layer)),
        vmap(vmap(both(layer))),
        vmap(both(vmap(layer)), 1, 1),
    ):
        outputs, gradients = function(X)
        np.testing.assert_array_equal(outputs, gradients)
        assert len(np.unique(np.reshape(outputs, (48, 64)), axis=0)) == 48


@pytest.mark.only("jax")
def test_traced_steps_draw_the_shared_mask(backend: Module) -> None:
    """As an index of a loop; with 64-bit integers also beyond 32 bits."""
    jax = import_module("jax")

    X = jax.numpy.ones((8, 16))

    def masks(steps: Any, argument: str = "step") -> Any:
        def body(carry: Any, word: Any) -> Any:
            return carry, dropout_layer(X, 0.5, **{**WORDS, argument: word})

        return jax.lax.scan(body, 0, steps)[1]

    large = np.array([2**32, 2**64 - 1], np.uint64)
    for steps in (np.arange(3), np.arange(3, dtype=np.uint8), large):
        for argument in ("step", "seed", "site"):
            for found, word in zip(masks(steps, argument), steps.tolist(), strict=True):
                keep = dropout_mask((8, 16), 0.5, **{**WORDS, argument: word})
                np.testing.assert_array_equal(found, 2.0 * keep)
    loop = jax.grad(
        lambda x: jax.lax.fori_loop(
            0, 2, lambda step, x: dropout_layer(x, 0.5, seed=0, step=step), x
        ).sum()
    )
    product = np.prod([2.0 * dropout_mask((8, 16), 0.5, seed=0, step=step) for step in (0, 1)], 0)
    np.testing.assert_array_equal(loop(X), product)
    each = jax.vmap(lambda x, step: dropout_layer(x, 0.5, seed=0, step=step))(X, np.arange(8))
    for Y, step in zip(each, range(8), strict=True):
        np.testing.assert_array_equal(Y, 2.0 * dropout_mask((16,), 0.5, seed=0, step=step))
    with pytest.raises(Exception, match=r"step must be an integer in \[0, 2\*\*64\), got -1"):
        jax.block_until_ready(masks(np.array([0, -1])))
    for bad, kind in ((np.arange(2.0), "float64"), (np.ones((2, 3), int), r"int64 .*\(3,\)")):
        with pytest.raises(TypeError, match=f"step must be an integer, got {kind}"):
            masks(bad)
    with pytest.raises(TypeError, match=r"dropout must be a number.*static_argnames"):
        jax.jit(dropout_layer)(X, 0.5)
    sizes = jax.ShapeDtypeStruct(jax.export.symbolic_shape("n, 16"), np.float32)
    with pytest.raises(ValueError, match="needs a known shape of X"):
        jax.export.export(jax.jit(lambda x: dropout_layer(x, 0.5, seed=0)))(sizes)


@pytest.mark.only("jax")
def test_a_mask_may_change_after_the_call(backend: Module) -> None:
    """A gradient is computed later than the layer."""
    jax = import_module("jax")

    keep = dropout_mask((64, 64), 0.5, seed=0)
    mask = keep.copy()
    _, pull = jax.vjp(lambda x: dropout_layer(x, 0.5, mask=mask), jax.numpy.ones((64, 64)))
    mask[...] = False
    np.testing.assert_array_equal(pull(jax.numpy.ones((64, 64)))[0], 2.0 * keep)


@pytest.mark.only("jax")
def test_the_key_of_fresh_masks(backend: Module) -> None:
    """All bits of a seed count, each thread draws masks of its own, and a trace keeps no key."""
    jax = import_module("jax")

    X = jax.numpy.ones((256,))
    masks = []
    for seed in (0, 1, 2**32, 2**32 + 1, 2**64 - 1):
        backend.manual_seed(seed)
        masks.append(np.asarray(dropout_layer(X, 0.5)))
    jax.jit(lambda: backend.manual_seed(0))()  # it keeps no value of the traced function

    def draw() -> None:
        masks.extend(np.asarray(dropout_layer(X, 0.5)) for _ in range(10))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Seed 0 was set twice, so its first mask was drawn twice.
    assert len(masks) == 45
    assert len(np.unique(masks, axis=0)) == 44


SEVERAL_DEVICES = textwrap.dedent(
    """
    import numpy as np, jax, jax.numpy as jnp, d2ldrop
    from d2ldrop import dropout_layer, dropout_mask
    backend = d2ldrop.get_backend("jax")
    backend.manual_seed(0)
    dropout_layer(np.ones(3), 0.5)
    jax.config.update("jax_num_cpu_devices", 2)  # an error if the import had started the devices
    mesh = jax.sharding.Mesh(jax.devices(), ("batch",))
    parts = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    for n in (8, 256):
        keep = dropout_mask((n, 256), 0.5, seed=0)
        X = jax.device_put(jnp.ones((n, 256)), parts)
        for select in ({"seed": 0}, {"mask": keep}, {"mask": jnp.array(keep)}, {}):
            Y = dropout_layer(X, 0.5, **select)
            assert Y.sharding == parts, Y.sharding
            assert set(np.unique(Y)) == {0, 2}
            assert not select or (Y == 2.0 * keep).all()
    """
)


@skip_without("jax")
def test_importing_the_backend_starts_no_device_and_arrays_may_lie_on_several() -> None:
    subprocess.run([sys.executable, "-c", SEVERAL_DEVICES], check=True)
