"""Check the arrays of a Dataset. Errors name the field and say how to convert its array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


def check_images(value: object, field: str) -> Bytes:
    """Return ``value`` as a read-only uint8 view (n, 28, 28) if it holds such images.

    Raises:
        TypeError: ``value`` is not a NumPy array of integers.
        ValueError: ``value`` has another shape, no image or a pixel outside 0 to 255.
    """
    array = _array(value, field)
    if array.ndim != 3 or array.shape[1:] != (28, 28) or len(array) == 0:
        flat = array.ndim > 1 and len(array) > 0 and array[0].size == 28 * 28
        hint = f": {field}.reshape(-1, 28, 28) has this shape" if flat else ""
        raise ValueError(
            f"{field} must have shape (n, 28, 28) with n above 0, got {array.shape}{hint}"
        )
    return _as_bytes(
        array, field, 255, f"numpy.rint(255 * {field}).astype(numpy.uint8) converts [0, 1]"
    )


def check_labels(value: object, field: str, images: str, n: int) -> Bytes:
    """Return ``value`` as a read-only uint8 view (n,) if it holds ``n`` labels from 0 to 9.

    ``images`` is the field of the images. Errors are those of ``check_images``.
    """
    array = _array(value, field)
    if array.shape != (n,):
        hint = ""
        if array.shape == (n, 10):
            hint = f": {field}.argmax(axis=1) converts one-hot labels"
        elif array.size == n:
            hint = f": {field}.reshape(-1) has this shape"
        raise ValueError(
            f"{field} must have shape ({n},), one label for each of {images}, "
            f"got {array.shape}{hint}"
        )
    return _as_bytes(array, field, 9, f"{field}.astype(numpy.uint8) converts whole numbers")


def _array(value: object, field: str) -> npt.NDArray[Any]:
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{field} must be a NumPy array, got {type(value).__name__}: "
            f"numpy.asarray({field}) makes one"
        )
    return value


def _as_bytes(array: npt.NDArray[Any], field: str, largest: int, hint: str) -> Bytes:
    """A read-only view, or a copy if the dtype is not uint8; ``hint`` says how to convert floats.

    Read-only, because a change would make the dataset's SHA-256 wrong.
    """
    expected = f"{field} must be integers from 0 to {largest}"
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{expected}, got {array.dtype}{f': {hint}' if array.dtype.kind == 'f' else ''}"
        )
    if array.dtype != np.uint8 or largest < 255:
        for extreme in (array.min(), array.max()):
            if not 0 <= extreme <= largest:
                raise ValueError(f"{expected}, got {extreme}")
    view = np.asarray(array, np.uint8).view()
    view.flags.writeable = False
    return view
