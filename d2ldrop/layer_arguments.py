"""The arguments of ``dropout_layer``: check them, and find the mask that they select."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from d2ldrop.backend import Backend
from d2ldrop.core.checks import check_probability
from d2ldrop.core.fast_masks import dropout_mask


def resolve(
    backend: Backend[Any],
    X: Any,
    dropout: float,
    mask: Any,
    seed: int | None,
    step: int | None,
    site: int | None,
    draw: Callable[..., Any] | None = None,
) -> tuple[float, Any]:
    """Check the arguments of ``dropout_layer``; return ``dropout`` and the mask that they select.

    The mask is a boolean array of NumPy or of X's framework; None means a fresh one.
    ``draw(X, dropout, seed=, step=, site=)`` draws the shared one; NumPy if it is not given.

    Raises:
        TypeError, ValueError: as in ``dropout_layer``.
    """
    if type(dropout) is not float or not 0 <= dropout <= 1:
        dropout = check_probability(dropout, "dropout")
    if not isinstance(X, np.ndarray):
        _refuse_layout(X)
    if "float" not in dtype_name(X):
        raise TypeError(
            f"X must have a floating-point dtype, got {dtype_name(X)}; "
            "convert it first, to float32 for example"
        )
    if mask is None and seed is None and step is None and site is None:
        return dropout, None
    if mask is not None:
        if seed is not None or step is not None or site is not None:
            raise ValueError("mask and seed exclude each other: give one of them")
        _check_mask(backend, X, mask)
        return dropout, mask
    if seed is None:
        raise ValueError("step and site select a mask of the shared stream: give seed with them")
    step, site = (0 if number is None else number for number in (step, site))
    for number, argument in ((seed, "seed"), (step, "step"), (site, "site")):
        _refuse_tensor(number, argument)
    return dropout, (draw or _shared_mask)(X, dropout, seed=seed, step=step, site=site)


def _refuse_layout(X: Any) -> None:
    """Refuse tensors of PyTorch and Paddle whose elements are not all in memory, in order."""
    layout = str(getattr(X, "layout", ""))
    if layout.startswith("torch.sparse") or layout == "torch._mkldnn" or _is_paddle_sparse(X):
        raise TypeError(f"X must be a dense array, got the layout {layout}; X.to_dense() makes one")
    if layout == "torch.strided" and X.is_nested:
        raise TypeError(
            "X must be an array of one shape or a jagged tensor, got a nested tensor of the layout "
            "torch.strided; torch.nested.nested_tensor(..., layout=torch.jagged) makes a jagged one"
        )


def _is_paddle_sparse(X: Any) -> bool:
    is_sparse = getattr(X, "is_sparse", False)
    return callable(is_sparse) and bool(is_sparse())


def _refuse_tensor(number: object, argument: str) -> None:
    if not isinstance(number, (int, np.generic)) and hasattr(number, "dtype"):
        raise TypeError(
            f"{argument} must be an integer, got {type(number).__name__}: int({argument}) converts "
            "it. In a traced function it has no value yet: draw the mask outside, with "
            "d2ldrop.dropout_mask, and give it to the function as an argument"
        )


def _shared_mask(X: Any, dropout: float, *, seed: int, step: int, site: int) -> Any:
    sizes = known_shape(X)
    if sizes is None or None in sizes:
        raise ValueError(
            f"the shared mask needs a known shape of X, got {X.shape}: "
            "trace the function with an input signature that holds the whole shape, or give a mask"
        )
    # torch.jit.trace makes tensors of the sizes.
    return dropout_mask([int(size) for size in sizes], dropout, seed=seed, step=step, site=site)


_NUMPY_NAMES = {np.dtype(name): name for name in ("bool", "float16", "float32", "float64")}
"""NumPy takes microseconds for the name of a dtype."""


def dtype_name(X: Any) -> str:
    """The name of the dtype of ``X``, "float32" for torch.float32 for example."""
    if isinstance(X, np.ndarray):
        return _NUMPY_NAMES.get(X.dtype) or X.dtype.name  # str would give ">f4" if big-endian
    # Other dtypes' str ends in the name, "<dtype: 'float32'>" for example.
    return str(X.dtype).rstrip("'>").replace("'", ".").rpartition(".")[2]


def _check_mask(backend: Backend[Any], X: Any, mask: Any) -> None:
    if not (isinstance(mask, np.ndarray) or backend.is_array(mask)):
        raise TypeError(
            f"mask must be a boolean array, of NumPy or of X's framework, got {type(mask).__name__}"
        )
    if dtype_name(mask) != "bool":
        raise TypeError(
            f"mask must be a boolean array, True where X is kept, got {dtype_name(mask)}; "
            "'mask != 0' converts"
        )
    given, expected = known_shape(mask), known_shape(X)
    if given != expected and not _may_be_equal(given, expected):
        raise ValueError(f"mask must have the shape of X, {expected}, got {given}")


def known_shape(X: Any) -> tuple[Any, ...] | None:
    """The shape as a tuple; an unknown size is None, and so is a shape of unknown rank.

    In traced functions TensorFlow has None for an unknown size, and Paddle -1. PyTorch's nested
    tensors have no common size.
    """
    if getattr(X.shape, "rank", 0) is None:
        return None
    unknown = getattr(X, "is_nested", False)
    return tuple(None if unknown or size == -1 else size for size in X.shape)


def _may_be_equal(given: tuple[Any, ...] | None, expected: tuple[Any, ...] | None) -> bool:
    """Whether two shapes with unknown sizes can be equal; the backend checks them when it runs."""
    if given is None or expected is None:
        return True
    return len(given) == len(expected) and all(
        None in sizes or sizes[0] == sizes[1] for sizes in zip(given, expected, strict=True)
    )
