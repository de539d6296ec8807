"""``dropout_layer``: check the arguments, then call the array's own framework."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import numpy as np

from d2ldrop import loaded
from d2ldrop.backend import Backend, backend_names
from d2ldrop.core.devices import device_of
from d2ldrop.core.fast_masks import scaled, scaled_product
from d2ldrop.frameworks import how_to_convert, title
from d2ldrop.layer_arguments import dtype_name, known_shape, resolve

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
    bit. Otherwise a fresh mask is drawn. ``get_backend(name).manual_seed`` seeds its generator: the
    framework's own, or for NumPy and JAX one of d2ldrop, which ``np.random.seed`` does not affect.

    Compiled and traced functions of PyTorch, TensorFlow, Paddle and JAX may call the layer. In a
    function that JAX traces, fresh masks are an error, and ``seed``, ``step`` and ``site`` may be
    traced integers.

    The framework can differentiate the result; for NumPy use ``dropout_backward``. Non-finite
    elements follow IEEE 754: a dropped infinity or NaN gives NaN. JAX, and TensorFlow with
    ``jit_compile=True``, may give 0: XLA may select elements instead of multiplying them.

    Args:
        X: a dense floating-point array of any shape: NumPy, PyTorch, TensorFlow, MXNet
            (``mx.np``), Paddle, JAX. It may be a parameter or variable, or a jagged tensor of
            PyTorch.
        dropout: the probability to drop, in [0, 1]; 0 returns ``X`` itself, 1 gives zeros.
        mask: booleans with the shape of ``X``, True where an element is kept: an array of NumPy or
            of the framework of ``X``.
        seed: an integer in [0, 2**64) that selects the shared stream.
        step: the training step, only with ``seed``; 0 if not given.
        site: the layer, only with ``seed``; 0 if not given.

    Returns:
        An array with the type, dtype, shape, memory format and device of ``X``.

    Raises:
        TypeError: ``X`` is not a dense floating-point array, ``dropout`` is not a number, ``mask``
            is not a boolean array, ``seed``, ``step`` or ``site`` is not an integer, or a function
            that JAX traces draws a fresh mask.
        ValueError: ``dropout`` is outside [0, 1], the shapes of ``mask`` and ``X`` differ, both
            ``mask`` and ``seed`` are given, ``step`` or ``site`` is given without ``seed``, or
            ``seed`` is given and a traced function does not know the shape of ``X``.

    Source: Srivastava et al., "Dropout" (JMLR 15, 2014), section 10, for the scaling while
    training; *Dive into Deep Learning*, section 4.6.

    >>> dropout_layer(np.arange(8, dtype=np.float32), 0.5, seed=0)
    array([ 0.,  0.,  4.,  0.,  8.,  0., 12.,  0.], dtype=float32)
    """
    # A compiler follows these lines. The search loads what tells it how to treat framework_layer.
    name = _framework_of_type.get(type(X)) or find_framework(X)
    return cast("T", framework_layer(name, X, dropout, mask, seed, step, site))


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


_framework_of_type: dict[type, str] = {}


def find_framework(X: object) -> str | None:
    """The name of the loaded framework whose array ``X`` is; None if there is none.

    Paddle rewrites the source of this function. It could not rewrite a loop that returns.
    """
    found = None
    for name in loaded.names:
        if found is None and getattr(loaded, name).backend.is_array(X):
            found = name
    return found


def framework_layer(
    name: str | None,
    X: Any,
    dropout: float,
    mask: Any,
    seed: int | None,
    step: int | None,
    site: int | None,
) -> Any:
    """``dropout_layer`` of the framework ``name``. A compiler need not look into this function.

    Raises:
        TypeError: ``name`` is None, because ``X`` is not an array of a loaded framework.
    """
    if name is None:
        kinds = ", ".join(title(name) for name in backend_names())
        raise TypeError(
            f"X must be an array of one of {kinds}, got {type(X).__name__}; {how_to_convert(X)}"
        )
    backend, tracer = getattr(loaded, name)
    if tracer is not None and any(
        tracer.is_traced(x) for x in (X, seed, step, site) if x is X or backend.is_array(x)
    ):
        return tracer.traced_layer(X, dropout, mask, seed, step, site)
    _framework_of_type[type(X)] = name
    given = mask
    dropout, mask = resolve(backend, X, dropout, mask, seed, step, site)
    if isinstance(given, np.ndarray):
        mask = np.array(given, order="C")  # a copy: from_numpy may share the memory
    elif given is not None and device_of(given) != device_of(X):
        mask = backend.to_numpy(given)
    return _apply(backend, X, dropout, mask)


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
    device, dtype = device_of(X), dtype_name(X)
    if mask.size < FUSED or dtype not in ("float32", "float64") or mask.shape != known_shape(X):
        return backend.dropout_layer(X, dropout, mask=backend.from_numpy(mask, device))
    return X * backend.from_numpy(scaled(mask, 1 - dropout, dtype), device)
