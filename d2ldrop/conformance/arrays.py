"""Arrays of the judged framework: how the suite makes them, reads them and calls the layer."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from d2ldrop.conformance.judge import Values, fail, skip_undeclared, values_of
from d2ldrop.core.arrays import aligned
from d2ldrop.frameworks import Framework
from d2ldrop.layer import framework_layer
from d2ldrop.layer_arguments import dtype_name


def shared_layer(name: str, X: Any, p: Any, **options: Any) -> Any:
    """``d2ldrop.dropout_layer`` of the framework ``name``, whose array ``X`` is.

    ``dropout_layer`` itself finds the framework by the type of ``X``. It would take NumPy for one
    whose arrays are NumPy's.
    """
    given = {"mask": None, "seed": None, "step": None, "site": None, **options}
    return framework_layer(name, X, p, given["mask"], given["seed"], given["step"], given["site"])


def make(backend: Any, name: str, values: Values, dtype: str) -> Any:
    """An array of the framework with ``values`` in ``dtype``.

    NumPy has no bfloat16, so the framework itself makes it from float32.
    """
    if dtype != "bfloat16":
        return backend.from_numpy(np.array(values, dtype, order="C"))
    return _cast(name, backend.from_numpy(np.array(values, np.float32, order="C")), dtype)


def read(backend: Any, x: Any, place: str, dtype: str | None = None) -> Values:
    """The values of an array, which must have ``dtype`` if that is given; bfloat16 as float32."""
    if isinstance(x, np.generic):  # NumPy makes a scalar of a result of shape ()
        x = np.asarray(x)
    if not backend.is_array(x):
        values_of(backend, x, place)  # fails
    found = dtype_name(x)
    if dtype is not None and found != dtype:
        fail(place, f"expected the dtype {dtype}, got {found}")
    if found == "bfloat16":
        x = _cast_to_float32(x)
    return values_of(backend, x, place)


def declared_dtype(facts: Framework, dtype: str) -> str:
    """``dtype``, or a visible skip if the framework does not declare it."""
    if dtype not in facts.dtypes:
        skip_undeclared(dtype)
    return dtype


def _cast(name: str, x: Any, dtype: str) -> Any:
    """``x`` in ``dtype``, by the way that the framework has; a skip if the suite knows none."""
    if importlib.util.find_spec("ml_dtypes"):
        importlib.import_module("ml_dtypes")  # NumPy then knows bfloat16
    framework = sys.modules[name]
    ways: tuple[Callable[[], Any], ...] = (
        lambda: x.astype(dtype),
        lambda: x.to(getattr(framework, dtype)),
        lambda: framework.cast(x, dtype),
    )
    for way in ways:
        try:
            return way()
        except (AttributeError, TypeError):
            continue
    return pytest.skip(f"the suite cannot make an array of {dtype} for {name}")


def _cast_to_float32(x: Any) -> Any:
    name = type(x).__module__.partition(".")[0]
    return _cast({"tensorflow": "tensorflow", "jaxlib": "jax"}.get(name, name), x, "float32")


def memory(offset: int, dtype: str, shape: tuple[int, ...] = (16, 8)) -> Values:
    """An array whose address is a multiple of 64 plus ``offset`` bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    array = aligned((size + offset,), np.uint8)[offset:].view(dtype).reshape(shape)
    array[...] = np.arange(array.size).reshape(shape) % 7
    return array


def read_only(array: Values) -> Values:
    """``array``, which can no longer be written."""
    array.flags.writeable = False
    return array


VIEWS: Mapping[str, Callable[[Values], Values]] = {
    "transposed": lambda array: array.T,
    "strided": lambda array: array[::2, ::3],
    "negative strides": lambda array: array[::-1, ::-1],
    "read-only": lambda array: read_only(array.copy()),
    "Fortran order": np.asfortranarray,
    "broadcast": lambda array: np.broadcast_to(array[:1], array.shape),
}
"""Views of a matrix whose elements are not simply one after the other."""
MEMORY: Mapping[str, Callable[[], Values]] = {
    **{
        f"{dtype} at {n}": lambda n=n, dtype=dtype: memory(n, dtype)  # type: ignore[misc]  # mypy
        for n in (0, 16, 32)
        for dtype in ("float32", "float64")
    },
    "integers": lambda: memory(0, "int64"),
    "booleans": lambda: memory(0, "bool"),
    "number": lambda: memory(0, "float32", ()),
    "empty": lambda: memory(0, "float32", (0, 3)),
    **{
        kind: lambda view=view: view(memory(0, "float32"))  # type: ignore[misc]  # mypy
        for kind, view in VIEWS.items()
    },
}
"""Arrays of NumPy of every memory layout. A framework that shares memory may need an alignment:
TensorFlow aborts unless it is 64 bytes."""
