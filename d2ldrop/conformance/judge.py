"""Verdicts of the conformance suite: each failure is one sentence that names the fault's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

Values: TypeAlias = npt.NDArray[Any]
Hints: TypeAlias = Mapping[str, Values | Callable[[], Values]]
"""A known fault in words, such as "a scale computed in float32", and the values that it gives."""


class WrongError(pytest.fail.Exception):  # type: ignore[name-defined,misc]  # set at run time
    """The backend is wrong. The message starts with the place of the fault."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}", pytrace=False)
        self.place = place.partition(",")[0].partition(" [")[0]


def fail(place: str, message: str) -> NoReturn:
    """Fail the check with one sentence.

    Args:
        place: where the fault is, then after a comma what was done there:
            ``layer forward, given mask [p=0.3, float64]``.
        message: what is wrong: what was expected, and what came.
    """
    raise WrongError(place, message)


def skip_undeclared(what: str) -> NoReturn:
    """Skip a check, visibly, because the facts of the framework do not declare ``what``."""
    pytest.skip(f"not declared: {what}")


def values_of(backend: Any, x: Any, place: str) -> Values:
    """A copy of the values of ``x``, which must be an array of the backend's framework."""
    if not backend.is_array(x):
        kind = f"{type(x).__module__}.{type(x).__qualname__}".removeprefix("builtins.")
        fail(place, f"expected an array for which is_array is true, got {kind}")
    found = backend.to_numpy(x)
    if not isinstance(found, (np.ndarray, np.generic)):  # some give a scalar for the shape ()
        fail("contract, to_numpy", f"expected an array of NumPy, got {type(found).__name__}")
    return np.array(found)


def check_form(place: str, found: Values, expected: Values) -> None:
    """Fail unless ``found`` has the dtype and the shape of ``expected``."""
    if found.shape != expected.shape:
        fail(place, f"expected the shape {expected.shape}, got {found.shape}")
    if found.dtype != expected.dtype:
        fail(place, f"expected the dtype {expected.dtype}, got {found.dtype}")


def check_close(
    place: str,
    found: Any,
    expected: Any,
    allowed: Any,
    hints: Hints | None = None,
) -> None:
    """Fail unless ``found`` has the form of ``expected`` and differs by at most ``allowed``.

    Args:
        place: see ``fail``.
        found: the backend's values, an array of NumPy.
        expected: what is right, an array of NumPy; NaN equals NaN.
        allowed: the largest difference: a number, or an array of the shape of ``expected``. With 0
            the values must be equal.
        hints: known faults; the first that explains ``found`` is named in the message.
    """
    found, expected = np.asarray(found), np.asarray(expected)
    check_form(place, found, expected)
    wrong = ~_close(found, expected, allowed)
    if not wrong.any():
        return
    with np.errstate(all="ignore"):
        off = np.abs(_wide(found) - _wide(expected))
    worst = np.unravel_index(
        int(np.argmax(np.where(wrong, np.nan_to_num(off, nan=np.inf), -1.0))), off.shape
    )
    limit = np.broadcast_to(np.asarray(allowed, float), off.shape)[worst]
    where = f" at {tuple(int(i) for i in worst)}" if worst else ""
    message = (
        f"off by {off[worst]:.2g}, allowed {limit:.2g}; "
        f"expected {_shown(expected[worst])}, got {_shown(found[worst])}{where}"
    )
    cause = _explanation(found, expected, allowed, hints or {})
    fail(place, message + (f"; {cause} gives just this" if cause else ""))


def check_equal(place: str, found: Any, expected: Any, hints: Hints | None = None) -> None:
    """Fail unless ``found`` equals ``expected`` bit for bit, dtype and shape included."""
    check_close(place, found, expected, 0, hints)


def check_raises(place: str, call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    """Fail unless ``call`` raises ``kind`` with a message that starts with ``message``."""
    try:
        found = call()
    except Exception as error:  # noqa: BLE001 - any exception is judged
        if type(error) is not kind or not str(error).startswith(message):
            got = f"{type(error).__name__}: {error}"
            fail(place, f"expected {kind.__name__}: {message}…, got {got}")
        return
    shape = f" of shape {tuple(found.shape)}" if hasattr(found, "shape") else ""
    fail(place, f"expected {kind.__name__}: {message}…, got a result{shape}")


def ulps(expected: Values, n: float) -> Values:
    """The size of ``n`` units in the last place of each element of ``expected``, as float64."""
    spacing = np.spacing(np.abs(expected))  # in the dtype of ``expected``
    return n * np.asarray(spacing, np.float64)


def _wide(values: Values) -> Values:
    return values if values.dtype.kind in "iu" else np.asarray(values, np.float64)


def _close(found: Values, expected: Values, allowed: Any) -> npt.NDArray[np.bool_]:
    """Where two arrays of one shape are close enough."""
    found, expected = _wide(found), _wide(expected)
    with np.errstate(all="ignore"):
        near = np.abs(found - expected) <= allowed  # False for NaN and between infinities
    result: npt.NDArray[np.bool_] = (
        (found == expected) | near | (np.isnan(found) & np.isnan(expected))
    )
    return result


def _explanation(found: Values, expected: Values, allowed: Any, hints: Hints) -> str:
    """The first known fault whose values are those that came."""
    for cause, given in hints.items():
        fault = np.asarray(given() if callable(given) else given)
        # The known fault and the backend may round differently.
        slack = np.maximum(np.asarray(allowed, float), 1e-12 * np.abs(_wide(expected)))
        if fault.shape == found.shape and bool(_close(found, fault, slack).all()):
            return cause
    return ""


def _shown(number: Any) -> str:
    """A number with all its digits."""
    if isinstance(number, (np.bool_, np.integer)):
        return str(number)
    return (
        np.format_float_positional(number, trim="-")
        if 1e-4 <= abs(number) < 1e16
        else (f"{number!s}")
    )
