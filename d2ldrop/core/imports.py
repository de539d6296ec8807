"""Import a framework, and limit the side effects of the import on the process.

d2ldrop itself never loads two frameworks into one process, but its user may.
"""

from __future__ import annotations

import atexit
import ctypes
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from d2ldrop.core.numpy_for_mxnet import imported_by_mxnet
from d2ldrop.frameworks import framework, title


@contextmanager
def safe_import(name: str) -> Iterator[None]:
    """A context in which framework ``name`` can be imported without harm to the process.

    Raises:
        ImportError: the import would crash the process, or a system library is missing.
    """
    refuse_fatal_import(name)
    with explained(name), mxnet_import() if name == "mxnet" else nullcontext():
        yield


def refuse_fatal_import(name: str) -> None:
    """Raise ImportError if importing framework ``name`` now would kill the process."""
    if name == "paddle" and "tensorflow" in sys.modules and "paddle" not in sys.modules:
        raise ImportError(
            "paddle cannot be imported into a process that holds tensorflow: it ends in a "
            "segmentation fault (seen with paddlepaddle 3.3.1 and tensorflow 2.21.0). "
            "Import paddle before tensorflow, or give each a process of its own, as "
            "'d2ldrop compare' does"
        )


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Within this context, an error about a missing library names the system package to install.

    Raises:
        ImportError: a library is missing. The loader's own error gives only its file name.
    """
    try:
        yield
    except (ImportError, OSError) as error:  # ctypes raises OSError
        missing = re.search(r"([^\s/]+\.so[.\d]*): cannot open shared object file", str(error))
        if missing is None:
            raise
        facts, library = framework(name), missing[1]
        # Debian names the packages of the compilers' libraries after the files.
        known = re.fullmatch(r"(lib(?:gcc_s|gfortran|gomp|quadmath|stdc\+\+))\.so\.(\d+)", library)
        if known:
            package = known[1].replace("_", "-") + known[2]
            packages = " ".join(dict.fromkeys((*facts.debian_packages, package)))
            hint = f"on Debian and Ubuntu: apt install {packages}"
        else:
            hint = "install the system package that contains it, or reinstall the framework"
        raise ImportError(
            f"{title(name)} needs the library {library}, which this system lacks; {hint}", name=name
        ) from error


@contextmanager
def mxnet_import() -> Iterator[None]:
    """Let mxnet 1.9.1 be imported without changing the process for others.

    - MXNet uses names that NumPy and Python have removed. Only MXNet's modules get them.
    - It sets the process's OpenMP thread count, which PyTorch shares. The count is restored.
    - Packages that it loads add warning filters. The filters are restored.
    - Its threads call Python to free arrays that share NumPy's memory. Such a call would abort the
      process while Python exits, so Python waits for these threads first.

    One side effect remains: a handler for SIGSEGV that prints a trace.
    """
    openmp = _openmp()
    threads = openmp.omp_get_max_threads() if openmp else None
    loaded = "mxnet" in sys.modules
    try:
        with imported_by_mxnet(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # its own use of old NumPy names
            warnings.simplefilter("ignore", SyntaxWarning)  # its invalid escapes in strings
            yield
    finally:
        if openmp:
            openmp.omp_set_num_threads(threads)
    if not loaded:
        # Exit handlers run in reverse order: this one runs before MXNet's, which stops its threads.
        atexit.register(_wait_for_mxnet)


def _wait_for_mxnet() -> None:
    """Wait until MXNet is idle and its thread has freed the memory that it used."""
    mxnet = sys.modules["mxnet"]
    mxnet.nd.waitall()
    mxnet.nd.zeros(1).wait_to_read()  # the thread does this after it has freed the rest


def _openmp() -> ctypes.CDLL | None:
    """GNU's OpenMP runtime, which mxnet's wheel for Linux uses; None if it is missing."""
    try:
        return ctypes.CDLL("libgomp.so.1")
    except OSError:
        return None
