"""``dropout_layer`` gives inside compiled and traced functions what it gives outside.

``test_the_first_call`` starts a new process, in which the compiler is the first to meet the layer,
and in which d2ldrop is imported before the framework. In the other tests the layer is known.
"""

from __future__ import annotations

import copy
import io
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop import dropout_backward, dropout_layer, dropout_mask
from d2ldrop.backend import Backend

Module = Backend[Any]
DTYPES = ("float32", "float64", "float16", "bfloat16")
PROBABILITIES = dict.fromkeys(DTYPES, (0.3,)) | {"float32": (0, 0.3, 0.5, 1)}
SIZES = (8, 4, 8, 6)
"""Sizes of batches in turn: a compiler treats the first as a constant, later ones as a variable."""


def seeded(x: Any, p: float) -> Any:
    return dropout_layer(x, p, seed=2**64 - 1, step=2349, site=1)


def masked(x: Any, p: float, mask: Any) -> Any:
    return dropout_layer(x, p, mask=mask)


def backward(x: Any, p: float) -> Any:
    return dropout_backward(x, p, seed=0)


def fresh(x: Any, p: float) -> Any:
    return dropout_layer(x, p)


def assert_same(inside: Any, outside: Any, dtype: str) -> None:
    """A compiler may round half precision once less."""
    np.testing.assert_allclose(inside, outside, rtol=1e-2 if "16" in dtype else 1e-6)
    np.testing.assert_array_equal(inside == 0, outside == 0)


def assert_fresh(first: Any, second: Any, p: float) -> None:
    """Check two results of ``fresh`` of ones (64, 64)."""
    if p in (0, 1):
        np.testing.assert_array_equal(first, np.full((64, 64), 1 - p))
        return
    for Y in (first, second):
        np.testing.assert_allclose(Y[Y != 0], 1 / (1 - p), rtol=1e-6)
        assert abs((Y == 0).mean() - p) < 0.06  # seven standard deviations
    assert (first != second).any()


# PyTorch


@pytest.mark.only("torch")
@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_compile(backend: Module, dtype: str) -> None:
    import torch

    def all_calls(x: Any, p: float, keep: Any, mask: Any) -> tuple[Any, ...]:
        return seeded(x, p), masked(x, p, keep), masked(x, p, mask), backward(x, p)

    for p in PROBABILITIES[dtype]:
        torch._dynamo.reset()
        compiled = torch.compile(all_calls, backend="eager", fullgraph=True)
        for n in SIZES:
            x = torch.randn(n, 16).to(getattr(torch, dtype)).requires_grad_()
            keep = dropout_mask((n, 16), 0.3, seed=n)
            arguments = x, p, keep, torch.from_numpy(keep)
            for inside, outside in zip(compiled(*arguments), all_calls(*arguments), strict=True):
                assert inside.dtype == x.dtype
                assert_same(inside.detach().double(), outside.detach().double(), dtype)
                gradients = [torch.autograd.grad(y.sum(), x)[0].double() for y in (inside, outside)]
                assert_same(gradients[0], gradients[1], dtype)


@pytest.mark.slow
@pytest.mark.only("torch")
def test_torch_compile_with_inductor(backend: Module) -> None:
    """The default compiler, which needs a C++ compiler; it fuses the layer's operations."""
    import shutil

    import torch

    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler")
    compiled = torch.compile(lambda x: (seeded(x, 0.3), fresh(x, 0.3)), fullgraph=True)
    x = torch.ones(64, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the compiler uses old functions
        (inside, first), (_, second) = compiled(x), compiled(x)
    assert_same(inside, seeded(x, 0.3), "float32")
    assert_fresh(first.numpy(), second.numpy(), 0.3)


@pytest.mark.only("torch")
def test_torch_compile_draws_fresh_masks(backend: Module) -> None:
    import torch

    for p in PROBABILITIES["float32"]:
        compiled = torch.compile(fresh, backend="eager", fullgraph=True)
        x = torch.ones(64, 64)
        assert_fresh(compiled(x, p).numpy(), compiled(x, p).numpy(), p)


@pytest.mark.only("torch")
def test_torch_compile_takes_every_seed_and_step(backend: Module) -> None:
    import torch

    words = (0, 1, 2, 2349, 2**32 + 5, 2**63, 2**64 - 1)
    x = torch.ones(8, 16)
    for argument in ("seed", "step", "site"):

        def layer(x: Any, word: int, argument: str = argument) -> Any:
            return dropout_layer(x, 0.3, **{"seed": 7, argument: word})

        compiled = torch.compile(layer, backend="eager", fullgraph=True)
        for word in words:
            assert torch.equal(compiled(x, word), layer(x, word))


@pytest.mark.only("torch")
@pytest.mark.parametrize("select", [{}, {"seed": 2, "step": 3}], ids=["fresh", "seeded"])
def test_torch_graphs(backend: Module, select: dict[str, int]) -> None:
    """Exported, symbolic and recorded graphs; a size of batch that export was not shown."""
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    class Net(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return dropout_layer(x, 0.5, **select)

    net, x = Net(), torch.ones(8, 16)
    batch = {"x": {0: torch.export.Dim("batch", min=2)}}
    exported = [
        torch.export.export(net, (x,), strict=strict, dynamic_shapes=batch)
        for strict in (True, False)
    ]
    torch.export.save(exported[0], io.BytesIO())
    symbolic: Any = torch.fx.symbolic_trace(net)
    assert "dropout_layer" in symbolic.code
    graphs: list[Any] = [*(graph.module() for graph in exported), copy.deepcopy(symbolic)]
    for graph in graphs:
        for n in (8, 5):
            Y = graph(torch.ones(n, 16))
            assert set(Y.unique().tolist()) == {0, 2}
            assert not select or torch.equal(Y, net(torch.ones(n, 16)))
    trace: Any = torch.jit.trace  # which is not typed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and warns that shapes become constants
        traced = trace(net, (x,), check_trace=False)
    for graph in (make_fx(net)(x), traced):
        assert not select or torch.equal(graph(x), net(x))


@pytest.mark.only("torch")
def test_torch_func(backend: Module) -> None:
    """All examples of ``vmap`` have one shared mask; ``grad`` has the layer's mask."""
    import torch

    def layer(x: Any) -> Any:
        return dropout_layer(x, 0.5, seed=0)

    one = layer(torch.ones(16))
    for function, expected in (
        (torch.func.vmap(layer), torch.ones(8, 1) * one),
        (
            torch.func.vmap(layer, in_dims=1, out_dims=1),
            layer(torch.ones(8))[:, None].expand(8, 16),
        ),
        (torch.func.grad(lambda x: layer(x).sum()), layer(torch.ones(8, 16))),
    ):
        for compiled in (function, torch.compile(function, backend="eager", fullgraph=True)):
            assert torch.equal(compiled(torch.ones(8, 16)), expected)


@pytest.mark.only("torch")
def test_the_custom_operation_is_valid(backend: Module) -> None:
    import d2ldrop_torch_compiled
    import torch

    arguments = ((8, 16), 0.3, [0, 7, 0, 0, 0, 1], torch.device("cpu"))
    torch.library.opcheck(d2ldrop_torch_compiled.shared_mask, arguments)


# Paddle


@pytest.mark.only("paddle")
@pytest.mark.parametrize("full_graph", [True, False])
def test_paddle_to_static(backend: Module, full_graph: bool) -> None:
    import paddle

    functions: list[Any] = [seeded, masked, backward]
    compiled: list[Any] = [
        paddle.jit.to_static(function, full_graph=full_graph) for function in functions
    ]
    for dtype in DTYPES:
        for p in PROBABILITIES[dtype]:
            for n in SIZES:
                x = backend.from_numpy(np.random.default_rng(n).normal(size=(n, 16))).astype(dtype)
                mask = paddle.to_tensor(dropout_mask((n, 16), 0.3, seed=n))
                for inside, outside in zip(compiled, functions, strict=True):
                    arguments = (x, p, mask) if outside is masked else (x, p)
                    y, expected = inside(*arguments), outside(*arguments)
                    assert y.dtype == x.dtype
                    assert_same(y.astype("float64"), expected.astype("float64"), dtype)


@pytest.mark.only("paddle")
@pytest.mark.filterwarnings("ignore:Tensor do not have 'place'")  # from Paddle itself
@pytest.mark.parametrize("full_graph", [True, False])
def test_paddle_gradients_and_fresh_masks_in_a_static_graph(
    backend: Module, full_graph: bool
) -> None:
    import paddle

    class Net(paddle.nn.Layer):
        def forward(self, x: Any) -> Any:
            return dropout_layer(x * x, 0.5, seed=0)

    net: Any = paddle.jit.to_static(Net(), full_graph=full_graph)
    net.train()
    x: Any = paddle.ones([8, 16])
    x.stop_gradient = False
    net(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 4.0 * dropout_mask((8, 16), 0.5, seed=0))
    compiled = paddle.jit.to_static(fresh, full_graph=full_graph)
    for p in PROBABILITIES["float32"]:
        X = paddle.ones([64, 64])
        assert_fresh(compiled(X, p).numpy(), compiled(X, p).numpy(), p)


@pytest.mark.only("paddle")
def test_paddle_static_programs(backend: Module) -> None:
    import paddle

    Program: Any = paddle.static.Program  # which is not typed
    keep = dropout_mask((64, 64), 0.5, seed=0)
    selections: list[dict[str, Any]] = [{}, {"seed": 0}, {"mask": keep}]
    paddle.enable_static()
    try:
        for shape in ([64, 64], [-1, 64]):
            for select in selections:
                with paddle.static.program_guard(Program()):
                    X = paddle.static.data("X", shape)
                    if shape[0] == -1 and "seed" in select:
                        with pytest.raises(ValueError, match="needs a known shape of X"):
                            dropout_layer(X, 0.5, **select)
                        continue
                    Y = dropout_layer(X, 0.5, **select)
                    feed = {"X": np.ones((64, 64), np.float32)}
                    first, second = (
                        paddle.static.Executor().run(feed=feed, fetch_list=[Y])[0] for _ in range(2)
                    )
                    if select:
                        np.testing.assert_array_equal(first, 2.0 * keep)
                    else:
                        assert_fresh(first, second, 0.5)
    finally:
        paddle.disable_static()


# TensorFlow


@pytest.mark.only("tensorflow")
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_tf_function(backend: Module, jit_compile: bool) -> None:
    import tensorflow as tf

    def all_calls(x: Any, p: float, mask: Any) -> tuple[Any, ...]:
        return seeded(x, p), masked(x, p, mask), backward(x, p)

    compiled = tf.function(all_calls, jit_compile=jit_compile)
    for dtype in DTYPES:
        for p in PROBABILITIES[dtype]:
            for n in (8, 4, 8):
                x = tf.cast(tf.random.normal((n, 16)), dtype)
                mask = tf.constant(dropout_mask((n, 16), 0.3, seed=n))
                with tf.GradientTape(persistent=True) as tape:
                    tape.watch(x)
                    results = [calls(x, p, mask) for calls in (compiled, all_calls)]
                    sums = [[tf.reduce_sum(y) for y in ys] for ys in results]
                for inside, outside, *totals in zip(*results, *sums, strict=True):
                    assert inside.dtype == x.dtype
                    assert_same(tf.cast(inside, "float64"), tf.cast(outside, "float64"), dtype)
                    gradients: list[Any] = [tape.gradient(total, x) for total in totals]
                    one, other = (tf.cast(gradient, "float64") for gradient in gradients)
                    assert_same(one, other, dtype)


@pytest.mark.only("tensorflow")
def test_tf_function_draws_fresh_masks(backend: Module) -> None:
    import tensorflow as tf

    compiled = tf.function(fresh)
    for p in PROBABILITIES["float32"]:
        X = tf.ones((64, 64))
        assert_fresh(compiled(X, p).numpy(), compiled(X, p).numpy(), p)


@pytest.mark.only("tensorflow")
def test_a_step_that_is_a_tensor_is_refused_with_advice(backend: Module) -> None:
    import tensorflow as tf

    layer = tf.function(lambda x, step: dropout_layer(x, 0.5, seed=0, step=step))
    with pytest.raises(TypeError, match=r"step must be an integer(.|\n)*draw the mask outside"):
        layer(tf.ones((8, 16)), tf.constant(1))


@pytest.mark.only("tensorflow")
def test_a_kernel_of_keras_is_an_array(backend: Module) -> None:
    import tensorflow as tf
    from tensorflow import keras

    dense = keras.layers.Dense(16)
    dense.build((None, 8))
    keep = dropout_mask((8, 16), 0.5, seed=0)
    assert dropout_layer(dense.kernel, 0) is dense.kernel
    selections: list[dict[str, Any]] = [{}, {"seed": 0}, {"mask": keep}]
    for select in selections:
        for p in (0.5, 1):
            with tf.GradientTape() as tape:
                Y = dropout_layer(dense.kernel, p, **select)
                total = tf.reduce_sum(Y)
            gradient = tape.gradient(total, dense.kernel).numpy()
            np.testing.assert_array_equal(gradient != 0, Y.numpy() != 0)
            if select:
                np.testing.assert_array_equal(gradient, 2.0 * keep if p == 0.5 else 0 * keep)


@pytest.mark.only("tensorflow")
def test_a_layer_of_keras_can_call_it(backend: Module) -> None:
    """What the error about a KerasTensor advises."""
    from tensorflow import keras

    class Layer(keras.layers.Layer):  # type: ignore[misc]  # keras's types are Any
        def call(self, x: Any, training: bool = False) -> Any:
            return dropout_layer(x, 0.5) if training else x

    inputs = keras.Input((64,))
    with pytest.raises(TypeError, match=r"got KerasTensor; it has no values: write a subclass"):
        dropout_layer(inputs, 0.5)
    net = keras.Model(inputs, Layer()(inputs))
    ones = np.ones((64, 64), np.float32)
    assert_fresh(net(ones, training=True).numpy(), net(ones, training=True).numpy(), 0.5)
    np.testing.assert_array_equal(net(ones), ones)


# The first call of a process


FIRST_CALLS = {
    "torch": """
        import torch
        X = torch.ones(8, 16)
        explained = torch._dynamo.explain(layer)(X)
        assert explained.graph_break_count == 0, explained.break_reasons
        Y = torch.compile(layer, backend="eager", fullgraph=True)(X).numpy()
    """,
    "torch export": """
        import torch
        class Net(torch.nn.Module):
            def forward(self, x):
                return layer(x)
        X = torch.ones(8, 16)
        Y = torch.export.export(Net(), (X,), strict=True).module()(X).numpy()
    """,
    "tensorflow": """
        import tensorflow as tf
        Y = tf.function(layer)(tf.ones((8, 16))).numpy()
    """,
    "paddle full_graph": """
        import paddle
        Y = paddle.jit.to_static(layer, full_graph=True)(paddle.ones([8, 16])).numpy()
    """,
    "paddle": """
        import paddle
        Y = paddle.jit.to_static(lambda x: layer(x))(paddle.ones([8, 16])).numpy()
    """,
    # Paddle simulates bytecode without uint64: it must leave alone what the layer calls.
    "paddle with numbers of NumPy": """
        import numpy as np
        import paddle
        def layer_of_numbers(x):
            return dropout_layer(x, np.float32(0.3), seed=np.int64(5), step=np.uint64(2**63))
        X = paddle.ones([8, 16])
        for full_graph in (True, False):
            Y = paddle.jit.to_static(layer_of_numbers, full_graph=full_graph)(X).numpy()
            assert (Y == layer_of_numbers(X).numpy()).all()
        Y = layer(X).numpy()
    """,
}


@pytest.mark.only("torch", "tensorflow", "paddle")
def test_the_first_call(backend_name: str, tmp_path: Path) -> None:
    for case, code in FIRST_CALLS.items():
        if case.split()[0] == backend_name:
            script = (
                tmp_path / f"first call of {case}.py"
            )  # a file, because Paddle reads the source
            script.write_text(
                "from d2ldrop import dropout_layer, dropout_mask\n"
                "def layer(x):\n"
                "    return dropout_layer(x, 0.3, seed=5)\n"
                + textwrap.dedent(code)
                + "assert (abs(Y - dropout_mask((8, 16), 0.3, seed=5) / 0.7) < 1e-6).all()\n"
            )
            subprocess.run([sys.executable, "-W", "ignore", script], check=True)
