"""What importing a framework does to a process, and how that is kept in bounds.

d2ldrop itself never loads two frameworks into one process, but its user may.
"""

from __future__ import annotations

import ctypes
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def refuse_fatal_import(name: str) -> None:
    """Raise ImportError where importing framework ``name`` now would kill the process."""
    if name == "paddle" and "tensorflow" in sys.modules and "paddle" not in sys.modules:
        raise ImportError(
            "paddle cannot be imported into a process that holds tensorflow: it ends in a "
            "segmentation fault (seen with paddlepaddle 3.3.1 and tensorflow 2.21.0). "
            "Import paddle before tensorflow, or give each a process of its own, as "
            "'d2ldrop compare' does"
        )


@contextmanager
def mxnet_import() -> Iterator[None]:
    """Let mxnet 1.9.1 be imported without changing the process for others.

    - It reads ``np.bool``, which NumPy 1.24 removed: the alias exists here and no longer.
    - It sets the process's OpenMP thread count, which PyTorch shares: the count is put back.
    - Packages that it loads add warning filters: the filters are put back.

    What stays: a handler for SIGSEGV that prints a trace, and functions of mxnet's own that read
    ``np.bool`` when they are called, such as ``mx.np.full((2,), True)``, fail.
    """
    openmp = _openmp()
    threads = openmp.omp_get_max_threads() if openmp else None
    alias_missing = "bool" not in vars(np)
    if alias_missing:
        np.bool = np.bool_  # type: ignore[attr-defined, misc, unused-ignore]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # its own use of old NumPy names
            yield
    finally:
        if alias_missing:
            del np.bool  # type: ignore[attr-defined, misc, unused-ignore]
        if openmp:
            openmp.omp_set_num_threads(threads)


def _openmp() -> ctypes.CDLL | None:
    """GNU's OpenMP runtime, which mxnet's wheel for Linux uses; None where there is none."""
    try:
        return ctypes.CDLL("libgomp.so.1")
    except OSError:
        return None
