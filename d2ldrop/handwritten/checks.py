"""Check the arguments of ``handwritten``. Errors name the expected and the given value."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from d2ldrop.core.checks import check_positive, check_real

Array: TypeAlias = npt.NDArray[Any]
Cache: TypeAlias = tuple[Array, ...]
KeepProb: TypeAlias = float | Sequence[float] | Array
Rng: TypeAlias = np.random.Generator | np.random.RandomState

PARAMETERS = ("W1", "b1", "W2", "b2", "W3", "b3")
HIDDEN1, HIDDEN2 = ("Z1", "D1", "A1", "W1", "b1"), ("Z2", "D2", "A2", "W2", "b2")
CACHE = (*HIDDEN1, *HIDDEN2, "Z3", "A3", "W3", "b3")


def check_keep_prob(keep_prob: KeepProb) -> tuple[float, float]:
    """Return ``keep_prob`` as a pair: a single number counts for both hidden layers."""
    expected = "a probability in (0, 1], or a pair of them"

    def one(value: object) -> float:
        return check_real(value, "keep_prob", expected, 5e-324, 1)

    if not isinstance(keep_prob, (list, tuple)) and np.ndim(keep_prob) != 1:
        return one(keep_prob), one(keep_prob)
    pair = tuple(cast("Sequence[float]", keep_prob))
    if len(pair) != 2:
        raise ValueError(f"keep_prob must be {expected}, got {len(pair)} numbers")
    return one(pair[0]), one(pair[1])


def check_rng(rng: object) -> None:
    """Accept NumPy's generators, ``numpy.random`` and any object with a similar ``random``."""
    # random.Random has a random() too, but it takes no shape.
    if not callable(getattr(rng, "random", None)) or isinstance(rng, random.Random):
        raise TypeError(
            f"rng must be a NumPy generator such as numpy.random.default_rng(0), got {rng!r}"
        )


def check_sizes(sizes: Sequence[int], argument: str, expected: str, count: int) -> list[int]:
    """Return ``sizes`` as a list if it is a list or tuple of ``count`` positive integers."""
    if not isinstance(sizes, (list, tuple)) or len(sizes) != count:
        raise ValueError(f"{argument} must be {expected}, got {sizes!r}")
    return [check_positive(size, f"{argument}[{i}]") for i, size in enumerate(sizes)]


def check_array(value: object, argument: str, shape: tuple[int | str, int | str]) -> Array:
    """Return ``value`` if its numbers are real and finite and its shape is ``shape``.

    A name in ``shape`` stands for any size above 0.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "buif":
        got = f"dtype {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{argument} must be a NumPy array of real numbers, got {got}")
    if value.ndim != 2 or any(
        n != k if isinstance(n, int) else k == 0 for n, k in zip(shape, value.shape, strict=True)
    ):
        expected = f"({shape[0]}, {shape[1]})" + (" with sizes above 0" if 0 in value.shape else "")
        raise ValueError(f"{argument} must have shape {expected}, got {value.shape}")
    if not np.isfinite(value).all():
        raise ValueError(f"{argument} must be finite, got {value[~np.isfinite(value)][0]}")
    return np.asarray(value)  # an np.matrix would use * for the matrix product


def check_labels(Y: Array, m: int) -> Array:
    """Return ``Y`` if it is (1, m) and each label is 0 or 1."""
    Y = check_array(Y, "Y", (1, m))
    if not ((Y == 0) | (Y == 1)).all():
        raise ValueError(f"Y must hold only the labels 0 and 1, got {Y[(Y != 0) & (Y != 1)][0]}")
    return Y


def check_keys(values: object, argument: str, names: Sequence[str]) -> None:
    """Check that ``values`` is a mapping that has all ``names``."""
    expected = f"{argument} must be a dict with {' '.join(names)}"
    if not isinstance(values, Mapping):
        raise TypeError(f"{expected}, got {type(values).__name__}")
    missing = [name for name in names if name not in values]
    if missing:
        raise ValueError(f"{expected}, got no {' '.join(missing)}")


def common_dtype(parameters: Sequence[Array]) -> np.dtype[Any]:
    """The floating-point dtype that holds all ``parameters``; float64 for integers."""
    dtype = np.result_type(*parameters)
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def cast_array(value: Array, argument: str, dtype: np.dtype[Any]) -> Array:
    """Return finite numbers in ``dtype``, without a copy if they have it.

    Raises:
        ValueError: a number is too large for ``dtype``.
    """
    with np.errstate(over="ignore"):  # the next line finds the number
        result = value.astype(dtype, copy=False)
    if not np.isfinite(result).all():
        wrong = value[~np.isfinite(result)][0]
        raise ValueError(f"{argument} must fit into {dtype}, the parameters' dtype, got {wrong}")
    return result


def check_network(
    X: Array, parameters: Mapping[str, Array], argument: str = "parameters"
) -> tuple[Array, list[Array]]:
    """Return ``X`` and the six parameters in order, if each layer fits the layer before it.

    ``X`` is cast to the common dtype of the parameters.
    """
    X = check_array(X, "X", ("n_x", "m"))
    check_keys(parameters, argument, PARAMETERS)
    if "W4" in parameters:
        raise ValueError(f"{argument} must belong to three layers, got W4 too")
    values, n = [], X.shape[0]
    for layer in (1, 2, 3):
        rows = 1 if layer == 3 else f"n_{layer}"
        W = check_array(parameters[f"W{layer}"], f"W{layer} in {argument}", (rows, n))
        n = W.shape[0]
        b = check_array(parameters[f"b{layer}"], f"b{layer} in {argument}", (n, 1))
        values += [W, b]
    return cast_array(X, "X", common_dtype(values)), values


def check_cache(X: Array, cache: Cache) -> tuple[Array, Cache]:
    """Return ``X`` and ``cache`` if ``cache`` has the shapes of a forward pass on ``X``.

    Both are cast to the common dtype of the parameters. The parameters keep their own.
    """
    if not isinstance(cache, (tuple, list)) or len(cache) != len(CACHE):
        got = f"{len(cache)} entries" if isinstance(cache, (tuple, list)) else type(cache).__name__
        raise TypeError(f"cache must be the tuple ({', '.join(CACHE)}), got {got}")
    named = dict(zip(CACHE, cache, strict=True))
    X, _ = check_network(X, {name: named[name] for name in PARAMETERS}, "cache")
    for name in CACHE:
        if name not in PARAMETERS:
            shape = (named[f"W{name[1]}"].shape[0], X.shape[1])
            value = check_array(named[name], f"{name} in cache", shape)
            named[name] = cast_array(value, f"{name} in cache", X.dtype)
    return X, tuple(np.asarray(value) for value in named.values())


def with_parameter_dtypes(gradients: Mapping[str, Array], cache: Cache) -> dict[str, Array]:
    """Return the gradients of the parameters, each in the dtype of its parameter in ``cache``."""
    dtypes = {
        f"d{n}": common_dtype([v]) for n, v in zip(CACHE, cache, strict=True) if n in PARAMETERS
    }
    return {name: gradients[name].astype(dtype, copy=False) for name, dtype in dtypes.items()}
