"""Checks of single arguments. Errors name the argument, the expected and the given value."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np


def check_integer(
    value: object, argument: str, expected: str, low: int, high: float = math.inf
) -> int:
    """Return ``value`` as an int if it is an integer from ``low`` to ``high``.

    Raises:
        TypeError: ``value`` is not an integer; bool is rejected.
        ValueError: ``value`` is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{argument} must be {expected}, got {_typed(value)}")
    number = int(value)
    if not low <= number <= high:
        raise ValueError(f"{argument} must be {expected}, got {value}")
    return number


def check_positive(value: object, argument: str) -> int:
    """Return ``value`` as an int if it is an integer above 0; same errors as ``check_integer``."""
    return check_integer(value, argument, "a positive integer", 1)


def check_word(value: object, argument: str) -> int:
    """Return ``value`` as an int if it fits a 64-bit word; same errors as ``check_integer``."""
    return check_integer(value, argument, "an integer in [0, 2**64)", 0, 2**64 - 1)


def check_real(value: object, argument: str, expected: str, low: float, high: float) -> float:
    """Return ``value`` as a float if it is a real number from ``low`` to ``high``.

    Raises:
        TypeError: ``value`` is not a real number; bool is rejected.
        ValueError: ``value`` is NaN or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{argument} must be {expected}, got {_typed(value)}")
    # Convert first: NumPy 2 compares in the dtype of `value`, where 5e-324 may be 0.
    try:
        number = float(value)
    except OverflowError:  # the integer is too large for a float
        number = math.inf
    if not low <= number <= high:  # NaN fails
        raise ValueError(f"{argument} must be {expected}, got {value}")
    return number


def check_probability(value: object, argument: str) -> float:
    """Return ``value`` as a float if it is a number in [0, 1]; same errors as ``check_real``."""
    return check_real(value, argument, "a probability in [0, 1]", 0, 1)


def _typed(value: object) -> str:
    return f"{value!r} of type {type(value).__name__}"
