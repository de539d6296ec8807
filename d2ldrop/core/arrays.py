"""Types of arrays, and arrays whose memory every framework can share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

NumPyArray: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Sequence[NumPyArray]
Rates: TypeAlias = tuple[float, float]
"""The drop probabilities of the two hidden layers."""
Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""W1, b1, W2, b2 and so on, W as inputs × outputs."""

ALIGNMENT = 64
"""Bytes. Every framework can share an array's memory if it starts at a multiple of this number."""


def address(array: NumPyArray) -> int:
    """Where the memory of ``array`` begins; ``array.ctypes.data`` takes several times as long."""
    begin: int = array.__array_interface__["data"][0]
    return begin


def is_aligned(array: npt.NDArray[Any]) -> bool:
    """Whether a framework that needs ALIGNMENT can share the memory of ``array``."""
    return array.flags.carray and address(array) % ALIGNMENT == 0


def compact(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The memory of a C-contiguous ``array`` with the strides that its shape implies.

    NumPy may give an axis of length 1, such as that of ``X[:, None]``, any stride.
    """
    return np.ndarray(array.shape, array.dtype, array)


def aligned(shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An uninitialised array that starts at a multiple of ALIGNMENT; NumPy does not ensure this."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -address(memory) % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
