"""L1: the edges of ``dropout_layer`` (p of 0 and 1, shapes, dtypes, memory) and its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from d2ldrop.conformance.arrays import VIEWS, declared_dtype, make, read, shared_layer
from d2ldrop.conformance.bad_arguments import BAD
from d2ldrop.conformance.judge import check_close, check_equal, check_raises, fail, ulps
from d2ldrop.conformance.problems import Module
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.core.randomness import normal_noise
from d2ldrop.frameworks import FLOATS, Framework
from d2ldrop.layer import find_framework

ULPS = 4
"""The largest error of one multiplication and one division, in units in the last place."""


@pytest.mark.place("layer forward")
@pytest.mark.parametrize("dtype", FLOATS)
def test_p_0_and_1(backend: Module, name: str, facts: Framework, dtype: str) -> None:
    """p = 0 gives X, and p = 1 gives zeros, for every kind of mask; no NaN arises."""
    declared_dtype(facts, dtype)
    X = make(backend, name, 100 * normal_noise((40, 30), seed=0), dtype)
    values = read(backend, X, "layer forward")
    mask = dropout_mask((40, 30), 0.5, seed=1)
    native = backend.from_numpy(mask.copy())
    for p, expected in ((0, values), (1, np.zeros_like(values)), (0.0, values), (1.0, 0 * values)):
        place = f"layer forward, edge [p={p}, {dtype}]"
        nan = {"a division by 1 - p = 0": np.full_like(values, np.nan)}
        given = {**nan, "a given mask that is applied": mask * values}
        for Y in (
            backend.dropout_layer(X, p),
            backend.dropout_layer(X, p, mask=native),
            shared_layer(name, X, p),
            shared_layer(name, X, p, seed=0),
            shared_layer(name, X, p, mask=mask),
        ):
            check_equal(place, np.abs(read(backend, Y, place, dtype)), np.abs(expected), given)
            if p == 0 and Y is not X:
                fail(place, "expected X itself, got another array with its values")


@pytest.mark.place("layer forward")
def test_kinds_of_p(backend: Module, name: str) -> None:
    """The probability may be a float or an integer, of Python or of NumPy."""
    X = backend.from_numpy(np.ones((2, 8), np.float32))
    mask = dropout_mask((2, 8), 0.5, seed=0)
    for kind in (float, np.float16, np.float32, np.float64):
        place = f"layer forward, shared mask [p={kind(0.5)!r}, float32]"
        Y = shared_layer(name, X, kind(0.5), seed=0)
        check_equal(place, read(backend, Y, place), (2 * mask).astype(np.float32))
    for whole in (int, np.int64, np.uint8):
        place = f"layer forward, edge [p={whole(1)!r}, float32]"
        Y = shared_layer(name, X, whole(1))
        check_equal(place, read(backend, Y, place), np.zeros((2, 8), np.float32))


@pytest.mark.place("layer forward")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "shape", [(), (0,), (0, 3), (3, 0), (1,), (2, 3, 4, 5)], ids=lambda shape: str(list(shape))
)
def test_shapes_and_dtypes(
    backend: Module, name: str, facts: Framework, shape: tuple[int, ...], dtype: str
) -> None:
    """Type, dtype and shape stay, for arrays of any shape: 0-d and empty ones, too."""
    declared_dtype(facts, dtype)
    X = make(backend, name, np.ones(shape), dtype)
    backend.manual_seed(0)
    for p in (0, 0.5, 1):
        kinds: dict[str, dict[str, Any]] = {
            "fresh": {},
            "shared": {"seed": 0},
            "given": {"mask": np.ones(shape, bool)},
        }
        for kind, select in kinds.items():
            place = f"layer forward, {kind} mask [shape {shape}, p={p}, {dtype}]"
            Y = shared_layer(name, X, p, **select)
            if type(Y) is not type(X):
                fail(place, f"expected the type {type(X).__name__}, got {type(Y).__name__}")
            found = read(backend, Y, place, dtype)
            if found.shape != shape:
                fail(place, f"expected the shape {shape}, got {found.shape}")
            if odd := sorted({float(one) for one in found.ravel()} - {0, 1, 2}):
                fail(place, f"expected only 0 and {1 if p == 0 else 2}, got {odd[0]}")


@pytest.mark.place("layer forward")
@pytest.mark.parametrize("view", VIEWS)
def test_memory_layouts(backend: Module, name: str, view: str) -> None:
    """An array, or a mask, that is not simply one element after the other gives the same values."""
    X = VIEWS[view](1 + np.arange(128.0).reshape(16, 8))
    mask = VIEWS[view](dropout_mask((16, 8), 0.3, seed=1))
    for p in (0.3, 0, 1):
        place = f"layer forward, {view} array and mask [p={p}, float64]"
        expected = (1 - p) * X if p in (0, 1) else mask * X / (1 - p)
        Y = shared_layer(name, backend.from_numpy(X), p, mask=mask)
        check_close(place, read(backend, Y, place, "float64"), expected, ulps(expected, ULPS))
        Y = shared_layer(name, backend.from_numpy(X), p, mask=backend.from_numpy(mask))
        check_close(place, read(backend, Y, place, "float64"), expected, ulps(expected, ULPS))


@pytest.mark.place("layer forward")
def test_arrays_stay(backend: Module, name: str) -> None:
    """The caller's arrays keep their values, and may be changed after the call."""
    X, keep = 1 + np.arange(16.0).reshape(2, 8), dropout_mask((2, 8), 0.3, seed=1)
    for p in (0, 0.3, 1):
        place = f"layer forward, arrays of the caller [p={p}]"
        x, native, mask = backend.from_numpy(X.copy()), backend.from_numpy(keep.copy()), keep.copy()
        for select in ({}, {"seed": 0}, {"mask": native}, {"mask": mask}):
            read(backend, shared_layer(name, x, p, **select), place)
        check_equal(f"{place}, X", read(backend, x, place), X)
        check_equal(f"{place}, mask", read(backend, native, place), keep)
        check_equal(f"{place}, mask", mask, keep)
    Y = shared_layer(name, backend.from_numpy(X.copy()), 0.5, mask=mask)
    mask[...] = False
    place = "layer forward, mask that the caller changes after the call"
    check_equal(place, read(backend, Y, place), 2 * keep * X)


@pytest.mark.place("layer forward")
def test_mask_of_another_shape(backend: Module, name: str) -> None:
    """A mask is never broadcast in silence, neither one of NumPy nor one of the framework."""
    X = backend.from_numpy(np.ones((2, 8)))
    for shape in ((8,), (1, 8), (2, 1), (1, 2, 8), (2, 8, 1), (16,), ()):
        for kind, mask in (
            ("NumPy", np.ones(shape, bool)),
            ("native", backend.from_numpy(np.ones(shape, bool))),
        ):
            place = f"layer forward, {kind} mask of shape {shape} for X of shape (2, 8)"
            message = f"mask must have the shape of X, (2, 8), got {shape}"
            _check_error(place, name, X, {"dropout": 0.5, "mask": mask}, ValueError, message)


@pytest.mark.place("errors")
@pytest.mark.parametrize("argument", BAD)
def test_bad_arguments(backend: Module, name: str, argument: str) -> None:
    """Bad arguments raise the same exception, with the same message, on every framework."""
    X = backend.from_numpy(np.ones((2, 8), np.float32))
    for given, kind, message in BAD[argument]:
        place = f"errors, dropout_layer(X, {', '.join(f'{k}={v!r}' for k, v in given.items())})"
        _check_error(place, name, X, {"dropout": 0.5, **given}, kind, message)


@pytest.mark.place("errors")
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
def test_integers(backend: Module, name: str, dtype: str) -> None:
    """Arrays that are not floating-point are refused."""
    X = backend.from_numpy(np.ones((2, 8), dtype))
    message = f"X must have a floating-point dtype, got {dtype}"
    _check_error(f"errors, X of {dtype}", name, X, {"dropout": 0.5}, TypeError, message)


@pytest.mark.place("contract")
def test_framework_of_an_array(backend: Module, name: str) -> None:
    """``dropout_layer`` finds the framework of an array, unless its arrays are NumPy's."""
    X = backend.from_numpy(np.ones((2, 8), np.float32))
    found = find_framework(X)
    if found != name and not isinstance(X, np.ndarray):
        fail("contract, is_array", f"d2ldrop takes an array of {name} for one of {found}")


def _check_error(
    place: str, name: str, X: Any, arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    """The layer must raise ``kind`` with a message that starts with ``message``."""
    options = dict(arguments)
    p = options.pop("dropout")
    check_raises(place, lambda: shared_layer(name, X, p, **options), kind, message)
