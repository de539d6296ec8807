"""Arrays whose memory a framework can share, however strict it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = Mapping[str, npt.NDArray[Any]]
"""The weights of a network by name: W1, b1, W2, b2, W3, b3."""
ALIGNMENT = 64
"""Bytes: where an array begins at a multiple of them, every framework takes its memory as it is."""


def aligned(shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An empty array that begins at a multiple of ALIGNMENT, as NumPy's own do only by chance."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
