"""``dropout_layer`` gives the same values, dtypes and errors on every framework."""

from __future__ import annotations

import functools
import sys
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import d2ldrop
from d2ldrop import dropout_backward, dropout_layer, dropout_mask
from d2ldrop.backend import Backend

Module = Backend[Any]


def ones(backend: Module, shape: tuple[int, ...], dtype: str = "float32") -> Any:
    return backend.from_numpy(np.ones(shape, dtype))


# The three calls in the book


# Masks


def test_the_users_arrays_stay_writable(backend: Module, backend_name: str) -> None:
    """The user may change arrays after a call; MXNet makes an array read-only if it shares it."""
    keep, X = np.ones((2, 8), np.bool_), np.ones((2, 784), np.float32)
    Y = dropout_layer(ones(backend, (2, 8)), 0.5, mask=keep)
    weights = d2ldrop.initial_weights(0, (784, 4, 3, 10))
    d2ldrop.predict_mc(weights, X, 2, backend=backend_name)
    params = (np.ones((784, 4)), np.ones(4), np.ones((4, 3)), np.ones(3), np.ones((3, 10)))
    backend.init_params(params)
    for array in (keep, X, *weights.values(), *params):
        array[...] = 0
    np.testing.assert_array_equal(backend.to_numpy(Y), 2)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # NumPy warns of 0 * inf
@pytest.mark.parametrize("rows", [1, 2**21 // 512 + 3])
def test_a_dropped_infinity_gives_nan(backend: Module, backend_name: str, rows: int) -> None:
    """In JAX it may give 0, because its compiler may make a selection of the product."""
    X = np.resize(np.array([np.inf, -np.inf, np.nan, 1], np.float32), (rows, 512))
    mask = dropout_mask(X.shape, 0.5, seed=1)
    expected = np.where(mask, 2 * X, np.where(np.isfinite(X), 0, np.float32(np.nan)))
    choices: list[dict[str, Any]] = [{"seed": 1}, {"mask": mask}]
    for choice in choices:
        Y = backend.to_numpy(dropout_layer(backend.from_numpy(X.copy()), 0.5, **choice))
        if backend_name == "jax":
            Y = np.where((Y == 0) & ~mask, expected, Y)
        np.testing.assert_array_equal(Y, expected)


def test_large_arrays_give_the_same_values_as_small_ones(backend: Module) -> None:
    """From 2**21 elements on, threads draw the mask, and NumPy computes in blocks of rows."""
    n = 2**21 // 512 + 3
    X = np.random.default_rng(0).random((n, 512), np.float32) + 1
    Y = np.asarray(backend.to_numpy(dropout_layer(backend.from_numpy(X.copy()), 0.2, seed=1)))
    for rows in (slice(0, 40), slice(n - 40, n)):
        small = backend.from_numpy(X[rows].copy())
        mask = dropout_mask((n, 512), 0.2, seed=1)[rows]
        expected = backend.to_numpy(dropout_layer(small, 0.2, mask=mask))
        np.testing.assert_array_equal(Y[rows], expected)


@pytest.mark.only("torch", "paddle")
def test_fresh_masks_do_not_depend_on_the_default_dtype(backend: Module, backend_name: str) -> None:
    """A comparison in bfloat16 would change the drop rate from 0.001 to 0.003."""
    framework = sys.modules[backend_name]
    before = framework.get_default_dtype()
    framework.set_default_dtype(framework.bfloat16)
    try:
        backend.manual_seed(0)
        Y = backend.to_numpy(dropout_layer(ones(backend, (1_000_000,)), 0.001))
    finally:
        framework.set_default_dtype(before)
    assert np.mean(Y == 0) == pytest.approx(0.001, rel=0.2)


# Kinds of arrays


RATES = [*(percent / 100 for percent in range(1, 100)), 0.001, 0.999, 1 / 3, 0.9999]


@pytest.mark.only("numpy", "torch", "mxnet", "paddle", "jax")
def test_non_contiguous_arrays_are_supported(backend: Module) -> None:
    values = np.arange(48, dtype=np.float32).reshape(6, 8)
    X = backend.from_numpy(values).T[1:7:2]
    mask = dropout_mask((3, 6), 0.5, seed=0)
    Y = backend.to_numpy(dropout_layer(X, 0.5, mask=mask))
    np.testing.assert_array_equal(Y, 2 * mask * values.T[1:7:2])


def test_parameters_views_and_subclasses_are_supported(backend_name: str, backend: Module) -> None:
    for X in unusual_arrays(backend_name):
        Y = dropout_layer(X, 0.5, seed=0)
        values = Y.detach() if hasattr(Y, "detach") else Y
        np.testing.assert_array_equal(
            np.asarray(backend.to_numpy(values)), 2.0 * dropout_mask((2, 8), 0.5, seed=0)
        )


def unusual_arrays(name: str) -> list[Any]:
    """Ones of shape (2, 8) as parameters, views and subclasses."""
    values = np.ones((2, 8), np.float32)
    if name == "numpy":
        return [values.view(np.matrix), values.view(np.recarray), values[::-1][::-1]]
    if name == "torch":
        import torch

        class Tagged(torch.Tensor):
            pass

        return [torch.nn.Parameter(torch.ones(2, 8)), torch.ones(2, 8).as_subclass(Tagged)]
    if name == "tensorflow":
        import tensorflow as tf

        return [tf.Variable(tf.constant(values))]
    if name == "paddle":
        import paddle

        initial = paddle.nn.initializer.Constant(1.0)
        return [paddle.create_parameter([2, 8], "float32", default_initializer=initial)]
    if name == "jax":
        import jax.numpy as jnp

        return [jnp.ones((2, 8)), jnp.ones((4, 8, 2))[::2, :, 0].at[0].set(1)]
    import mxnet as mx
    from mxnet.util import np_array, np_shape

    with np_shape(True), np_array(True):
        parameter = mx.gluon.Parameter("w", shape=(2, 8), init="ones")
        parameter.initialize()
        return [parameter.data()]


@pytest.mark.only("torch")
@pytest.mark.parametrize("size", [4, 64])
def test_the_memory_format_stays(backend: Module, size: int) -> None:
    """As in torch.nn.functional.dropout; 64 is large enough for masks that NumPy scales."""
    import torch

    X = torch.rand(2, 3, size, size).to(memory_format=torch.channels_last)
    mask = torch.rand(X.shape) < 0.5
    selections: list[dict[str, Any]] = [{}, {"seed": 0}, {"mask": mask}, {"mask": mask.numpy()}]
    for select in selections:
        for p in (0.5, 1):
            assert dropout_layer(X, p, **select).stride() == X.stride()
    expected = mask.numpy() * X.numpy() * np.float32(2)
    np.testing.assert_array_equal(dropout_layer(X, 0.5, mask=mask), expected)


@pytest.mark.only("torch")
def test_jagged_tensors_stay_jagged(backend: Module) -> None:
    import torch

    X: Any = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)], layout=torch.jagged)
    for p in (0, 0.5, 1):
        Y = dropout_layer(X, p)
        assert Y.layout == torch.jagged
        assert (Y.shape, set(Y.values().unique().tolist()) <= {0, 1, 2}) == (X.shape, True)
    mask = X > 2
    assert not dropout_layer(X, 0.5, mask=mask).values().any()
    with pytest.raises(ValueError, match="needs a known shape of X"):
        dropout_layer(X, 0.5, seed=0)


@pytest.mark.filterwarnings("ignore:Sparse CSR", "ignore:The PyTorch API of nested")
@pytest.mark.filterwarnings("ignore:Please import `csr_matrix`")  # from MXNet
def test_other_types_of_a_framework_get_advice(backend: Module, backend_name: str) -> None:
    """What each error advises gives an array that the layer takes."""
    for X, advice, converted in other_types(backend_name):
        with pytest.raises(TypeError, match=advice):
            dropout_layer(X, 0.5)
        assert dropout_layer(converted(), 0.5, seed=0) is not None


def other_types(name: str) -> list[tuple[Any, str, Any]]:
    """Values that are not arrays, a part of the error's advice, and what follows the advice."""
    eye = np.eye(4, dtype=np.float32)
    if name == "numpy":
        sparse = pytest.importorskip("scipy.sparse")
        X = sparse.csr_array(eye)
        return [
            ([1.0, 2.0], r"numpy\.asarray\(X\)", lambda: np.asarray([1.0, 2.0])),
            (X, r"X\.toarray\(\)", X.toarray),
        ]
    if name == "torch":
        import torch

        dense = torch.from_numpy(eye)
        kinds = [dense.to_sparse(), dense.to_sparse_csr(), dense.to_mkldnn()]
        nested = [torch.ones(2), torch.ones(3)]
        return [
            *((X, r"X\.to_dense\(\)", X.to_dense) for X in kinds),
            (
                torch.nested.nested_tensor(nested),
                "layout=torch.jagged",
                lambda: dropout_layer(
                    torch.nested.nested_tensor(nested, layout=torch.jagged), 0.5
                ).values(),
            ),
        ]
    if name == "tensorflow":
        import tensorflow as tf

        rows, shape = tf.constant([0, 1]), tf.constant([2, 3])
        slices = tf.IndexedSlices(tf.ones((2, 3)), rows, dense_shape=shape)
        ragged = tf.ragged.constant([[1.0, 2.0], [3.0]])
        return [
            (tf.sparse.from_dense(eye), "to_dense", lambda: tf.sparse.to_dense(tf.sparse.eye(4))),
            (ragged, r"map_flat_values(.|\n)*to_tensor", ragged.to_tensor),
            (
                ragged,
                "map_flat_values",
                lambda: tf.ragged.map_flat_values(dropout_layer, ragged, 0.5).values,
            ),
            (slices, "convert_to_tensor", lambda: tf.convert_to_tensor(slices)),
        ]
    if name == "mxnet":
        import mxnet as mx

        nd: Any = mx.nd.array(eye)
        csr = nd.tostype("csr")
        return [
            (nd, r"X\.as_np_ndarray\(\)", nd.as_np_ndarray),
            (csr, "tostype", lambda: csr.tostype("default").as_np_ndarray()),
            (mx.sym.var("X"), "not hybridized", nd.as_np_ndarray),
            (mx.sym.var("X").as_np_ndarray(), "not hybridized", nd.as_np_ndarray),
        ]
    if name == "jax":
        jax, nnx = import_module("jax"), import_module("flax.nnx")
        jax_sparse = import_module("jax.experimental.sparse")
        array, shape = jax.numpy.asarray(eye), jax.ShapeDtypeStruct((4, 4), np.float32)
        layer = functools.partial(dropout_layer, dropout=0.5, seed=0)
        return [
            *(
                (X, r"X\[\.\.\.\]", lambda X=X: X[...])
                for X in (nnx.Param(array), jax.new_ref(array))
            ),
            *(
                (kind.fromdense(array), r"X\.todense\(\)", kind.fromdense(array).todense)
                for kind in (jax_sparse.BCOO, jax_sparse.BCSR)
            ),
            (
                shape,
                "jax.eval_shape calls",
                lambda: jax.numpy.ones(jax.eval_shape(layer, shape).shape),
            ),
        ]
    import paddle

    tensor: Any = paddle.to_tensor(eye)
    sparse_kinds = [tensor.to_sparse_coo(2), tensor.to_sparse_csr()]
    return [(X, r"X\.to_dense\(\)", X.to_dense) for X in sparse_kinds]


@pytest.mark.only("mxnet")
def test_a_block_that_is_not_hybridized_can_call_it(backend: Module) -> None:
    """What the error inside a hybridized block advises."""
    import mxnet as mx

    class Layer(mx.gluon.HybridBlock):  # type: ignore[misc]  # mxnet's types are Any
        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return dropout_layer(x, 0.5, seed=0)

    block, X = Layer(), ones(backend, (2, 8))
    expected = 2.0 * dropout_mask((2, 8), 0.5, seed=0)
    np.testing.assert_array_equal(backend.to_numpy(block(X)), expected)
    block.hybridize()
    with pytest.raises(TypeError, match="got _Symbol; it has no values: call dropout_layer in a"):
        block(X)


def test_the_result_has_the_numpy_subclass_of_x() -> None:
    X = np.ones((2, 8)).view(np.matrix)
    assert type(dropout_layer(X, 0.5, seed=0)) is np.matrix


def test_big_endian_arrays_stay_big_endian() -> None:
    Y = dropout_layer(np.ones((2, 8), ">f4"), 0.5, seed=0)
    assert Y.dtype == np.dtype(">f4")
    np.testing.assert_array_equal(Y, 2.0 * dropout_mask((2, 8), 0.5, seed=0))


# Gradients


@pytest.mark.parametrize("dropout", [0.0, 0.2, 1.0])
def test_the_gradient_uses_the_same_mask_and_scale(
    backend: Module, backend_name: str, dropout: float
) -> None:
    X = np.random.default_rng(0).standard_normal((4, 6))
    dY = np.random.default_rng(1).standard_normal((4, 6))
    mask = dropout_mask((4, 6), 0.5, seed=9)
    dX = gradient(
        backend_name, backend, X, dY, functools.partial(dropout_layer, dropout=dropout, mask=mask)
    )
    scale = np.ones((4, 6)) if dropout == 0 else mask / 0.8 if dropout == 0.2 else 0 * mask
    np.testing.assert_allclose(dX, scale * dY, rtol=1e-14)


def gradient(name: str, backend: Module, X: Any, dY: Any, layer: Any) -> Any:
    """The gradient of sum(layer(X) * dY), from the framework's automatic differentiation."""
    if name == "numpy":
        return dropout_backward(dY, *layer.args, **layer.keywords)
    (x,) = backend.init_params([X])
    weights = backend.from_numpy(dY)
    if name == "jax":
        import jax

        return jax.grad(lambda x: (layer(x) * weights).sum())(x)
    if name == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(x) * weights)
        return tape.gradient(total, x).numpy()
    if name == "mxnet":
        from mxnet import autograd

        with autograd.record():
            total = (layer(x) * weights).sum()
        total.backward()
        return x.grad.asnumpy()
    (layer(x) * weights).sum().backward()
    return x.grad.numpy()


def test_dropout_backward_needs_the_forward_mask() -> None:
    with pytest.raises(ValueError, match="needs the mask or the seed of the forward pass"):
        dropout_backward(np.ones(3), 0.5)


def test_dropout_backward_uses_the_shared_mask() -> None:
    dX = dropout_backward(np.ones((2, 8)), 0.5, seed=0, step=4, site=1)
    np.testing.assert_array_equal(dX, dropout_layer(np.ones((2, 8)), 0.5, seed=0, step=4, site=1))


# Inside tf.function


@pytest.mark.only("tensorflow")
def test_a_traced_function_draws_a_new_mask_in_each_call(backend: Module) -> None:
    import tensorflow as tf

    spec = tf.TensorSpec([None, 64], tf.float32)
    layer = tf.function(lambda X: dropout_layer(X, 0.5), input_signature=[spec])
    first, second = (layer(tf.ones((64, 64))).numpy() for _ in range(2))
    assert set(np.unique(first)) == {0, 2}
    assert (first != second).any()


@pytest.mark.only("tensorflow")
def test_a_traced_function_uses_the_given_seed_or_mask(backend: Module) -> None:
    import tensorflow as tf

    expected = 2.0 * dropout_mask((2, 8), 0.5, seed=0)
    by_seed = tf.function(lambda X: dropout_layer(X, 0.5, seed=0))
    by_mask = tf.function(lambda X, mask: dropout_layer(X, 0.5, mask=mask))
    np.testing.assert_array_equal(by_seed(tf.ones((2, 8))), expected)
    np.testing.assert_array_equal(by_mask(tf.ones((2, 8)), tf.constant(expected > 0)), expected)


@pytest.mark.only("tensorflow")
@pytest.mark.parametrize("shape", [None, [None, 4]])
def test_a_traced_function_does_not_broadcast_a_mask(backend: Module, shape: Any) -> None:
    import tensorflow as tf

    unknown: Any = None
    spec = tf.TensorSpec(shape, tf.float32), tf.TensorSpec(unknown, tf.bool)
    layer = tf.function(lambda X, mask: dropout_layer(X, 0.5, mask=mask), input_signature=spec)
    keep = dropout_mask((4, 4), 0.5, seed=0)
    np.testing.assert_array_equal(layer(tf.ones((4, 4)), tf.constant(keep)), 2.0 * keep)
    with pytest.raises(tf.errors.InvalidArgumentError, match="mask must have the shape of X"):
        layer(tf.ones((4, 4)), tf.constant(keep[:1]))


@pytest.mark.only("tensorflow")
def test_a_shared_mask_needs_a_known_shape(backend: Module) -> None:
    import tensorflow as tf

    spec = tf.TensorSpec([None, 8], tf.float32)
    layer = tf.function(lambda X: dropout_layer(X, 0.5, seed=0), input_signature=[spec])
    with pytest.raises(ValueError, match="needs a known shape of X"):
        layer(tf.ones((2, 8)))


# Bad arguments. Each case has arguments, the exception and the message.


@pytest.mark.parametrize("X", [[1.0, 2.0], (1.0,), 1.0, np.float32(1), "X", None, {}])
def test_x_must_be_an_array(backend: Module, X: object) -> None:
    with pytest.raises(TypeError, match=f"X must be an array of one of .* got {type(X).__name__}"):
        d2ldrop.dropout_layer(X, 0.5)


@pytest.mark.only("torch")
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_masks_move_to_the_device_of_x(backend: Module, dtype: str) -> None:
    """PyTorch's device "meta" refuses an operation with an array on another device."""
    X = backend.from_numpy(np.ones((3, 5), dtype)).to("meta")
    cases: list[dict[str, Any]] = [{"seed": 0}, {"mask": np.ones((3, 5), bool)}, {}]
    for options in cases:
        Y = dropout_layer(X, 0.5, **options)
        assert (str(Y.device), Y.dtype, Y.shape) == ("meta", X.dtype, X.shape)
