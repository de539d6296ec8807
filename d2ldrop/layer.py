"""``dropout_layer``: check the arguments, then call the array's own framework."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import numpy as np

from d2ldrop.backend import Backend, backend_of
from d2ldrop.core.checks import check_probability
from d2ldrop.core.devices import device_of
from d2ldrop.core.fast_masks import dropout_mask, scaled, scaled_product

T = TypeVar("T")


def dropout_layer(
    X: T,
    dropout: float,
    *,
    mask: Any = None,
    seed: int | None = None,
    step: int | None = None,
    site: int | None = None,
) -> T:
    """Drop each element of ``X`` with probability ``dropout`` and divide the others by 1 - dropout.

    Inverted dropout: the expected value of each element does not change. A given ``mask`` is used.
    With ``seed`` the mask comes from the shared stream: it is the same on every framework, bit for
    bit. Otherwise the framework's own generator draws a fresh mask.

    The framework can differentiate the result; for NumPy use ``dropout_backward``. Non-finite
    elements follow IEEE 754: a dropped infinity gives NaN.

    Args:
        X: a floating-point array of any shape: NumPy, PyTorch, TensorFlow, MXNet (``mx.np``),
            Paddle.
        dropout: the probability to drop, in [0, 1]; 0 returns ``X`` itself, 1 gives zeros.
        mask: booleans with the shape of ``X``, True where an element is kept: an array of NumPy or
            of the framework of ``X``.
        seed: an integer in [0, 2**64) that selects the shared stream.
        step: the training step, only with ``seed``; 0 if not given.
        site: the layer, only with ``seed``; 0 if not given.

    Returns:
        An array with the type, dtype, shape and device of ``X``.

    Raises:
        TypeError: ``X`` is not a floating-point array, ``dropout`` is not a number, ``mask`` is not
            a boolean array, or ``seed``, ``step`` or ``site`` is not an integer.
        ValueError: ``dropout`` is outside [0, 1], the shapes of ``mask`` and ``X`` differ, both
            ``mask`` and ``seed`` are given, or ``step`` or ``site`` is given without ``seed``.

    Source: Srivastava et al., "Dropout" (JMLR 15, 2014), section 10, for the scaling while
    training; *Dive into Deep Learning*, section 4.6.

    >>> dropout_layer(np.arange(8, dtype=np.float32), 0.5, seed=0)
    array([ 0.,  0.,  4.,  0.,  8.,  0., 12.,  0.], dtype=float32)
    """
    backend = backend_of(X)
    if type(dropout) is not float or not 0 <= dropout <= 1:
        dropout = check_probability(dropout, "dropout")
    if "float" not in _dtype(X):
        raise TypeError(
            f"X must have a floating-point dtype, got {_dtype(X)}; "
            "convert it first, to float32 for example"
        )
    if mask is not None or seed is not None or step is not None or site is not None:
        mask = _resolve_mask(backend, X, dropout, mask, seed, step, site)
    result: T = _apply(backend, X, dropout, mask)
    return result


def dropout_backward(
    dY: T,
    dropout: float,
    *,
    mask: Any = None,
    seed: int | None = None,
    step: int | None = None,
    site: int | None = None,
) -> T:
    """The gradient of ``dropout_layer``: ``mask / (1 - dropout) * dY``.

    NumPy needs this function because it has no automatic differentiation. Arrays of the other
    frameworks work too. Pass the ``mask`` of the forward pass, or its ``seed``, ``step`` and
    ``site``.

    Args:
        dY: the gradient with respect to the layer's output, of the output's shape and dtype.
        dropout, mask, seed, step, site: as in ``dropout_layer``.

    Raises:
        TypeError, ValueError: as in ``dropout_layer``. ValueError also if neither ``mask`` nor
            ``seed`` is given: a fresh mask would differ from that of the forward pass.

    >>> dropout_backward(np.ones(4), 0.5, mask=np.array([True, False, True, True]))
    array([2., 0., 2., 2.])
    """
    if mask is None and seed is None:
        raise ValueError(
            "dropout_backward needs the mask or the seed of the forward pass: got neither"
        )
    return dropout_layer(dY, dropout, mask=mask, seed=seed, step=step, site=site)


FUSED = 4096
"""Number of mask elements from which it is faster to scale the mask with NumPy."""


def _apply(backend: Backend[Any], X: Any, dropout: float, mask: Any) -> Any:
    """``mask * X / (1 - dropout)``; a fresh mask if ``mask`` is None.

    NumPy scales a large NumPy mask on all cores. The framework then needs only one operation.
    """
    known = isinstance(mask, np.ndarray) and 0 < dropout < 1
    if isinstance(X, np.ndarray):
        if known:
            return scaled_product(X, mask, 1 - dropout)
        Y = backend.dropout_layer(X, dropout, mask=mask)
        # Undo two effects of NumPy's operators: a scalar for shape (), and the native byte order.
        return np.asanyarray(Y, X.dtype)
    if not known:
        return backend.dropout_layer(X, dropout, mask=mask)
    device, dtype = device_of(X), _dtype(X)
    if mask.size < FUSED or dtype not in ("float32", "float64") or mask.shape != _shape(X):
        return backend.dropout_layer(X, dropout, mask=backend.from_numpy(mask, device))
    return backend.from_numpy(scaled(mask, 1 - dropout, dtype), device) * X


_names: dict[Any, str] = {}


def _dtype(X: Any) -> str:
    """The name of the dtype of ``X``, "float32" for torch.float32 for example; names are cached."""
    name = _names.get(X.dtype)
    if name is None:
        # For NumPy use `name`: str gives ">f4" if big-endian. Other dtypes' str ends in the name.
        text = X.dtype.name if isinstance(X.dtype, np.dtype) else str(X.dtype)
        name = _names[X.dtype] = re.findall(r"\w+", text)[-1]
    return name


def _resolve_mask(
    backend: Backend[Any],
    X: Any,
    dropout: float,
    mask: Any,
    seed: int | None,
    step: int | None,
    site: int | None,
) -> Any:
    """The boolean mask that the arguments select: a NumPy array, or one of ``X``'s framework."""
    if mask is not None:
        if seed is not None or step is not None or site is not None:
            raise ValueError("mask and seed exclude each other: give one of them")
        return _check_mask(backend, X, mask)
    if seed is None:
        raise ValueError("step and site select a mask of the shared stream: give seed with them")
    shape = _shape(X)
    if shape is None or None in shape:
        raise ValueError(
            f"the shared mask needs a known shape of X, got {X.shape}: "
            "trace the function with an input signature that holds the whole shape, or give a mask"
        )
    step, site = (0 if number is None else number for number in (step, site))
    return dropout_mask(shape, dropout, seed=seed, step=step, site=site)


def _check_mask(backend: Backend[Any], X: Any, mask: Any) -> Any:
    is_numpy = isinstance(mask, np.ndarray)
    if not (is_numpy or backend.is_array(mask)):
        raise TypeError(
            f"mask must be a boolean array, of NumPy or of X's framework, got {type(mask).__name__}"
        )
    if _dtype(mask) != "bool":
        raise TypeError(
            f"mask must be a boolean array, True where X is kept, got {_dtype(mask)}; "
            "'mask != 0' converts"
        )
    given, expected = _shape(mask), _shape(X)
    if given != expected and not _may_be_equal(given, expected):
        raise ValueError(f"mask must have the shape of X, {expected}, got {given}")
    if is_numpy:
        return np.array(mask, order="C")  # a copy: from_numpy may share the memory
    return mask if device_of(mask) == device_of(X) else backend.to_numpy(mask)


def _shape(X: Any) -> tuple[Any, ...] | None:
    """The shape as a tuple; while TensorFlow traces, None means an unknown size or unknown rank."""
    return None if getattr(X.shape, "rank", 0) is None else tuple(X.shape)


def _may_be_equal(given: tuple[Any, ...] | None, expected: tuple[Any, ...] | None) -> bool:
    """Whether two shapes with unknown sizes can be equal; the backend checks them when it runs."""
    if given is None or expected is None:
        return True
    return len(given) == len(expected) and all(
        None in sizes or sizes[0] == sizes[1] for sizes in zip(given, expected, strict=True)
    )
