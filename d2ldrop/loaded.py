"""The frameworks that this process has loaded, as attributes of this module.

A compiler such as ``torch.compile`` follows the Python code of a function, but not into imports and
entry points. It reads an attribute of a module as it is. So what is behind these attributes runs in
plain Python, even in the first call and inside a compiled function.

- ``loaded.names`` is a tuple of the names of the loaded frameworks whose backend can be imported.
  TensorFlow loads JAX where it is installed, but not what JAX's backend needs besides.
- ``loaded.torch`` is PyTorch's ``Loaded``, for example.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from d2ldrop.backend import (
    Backend,
    Tracer,
    backend_names,
    get_backend,
    get_tracer,
    is_installed,
)


class Loaded(NamedTuple):
    """A framework's backend, and its module for traced arrays; None if it has none."""

    backend: Backend[Any]
    tracer: Tracer | None


def __getattr__(name: str) -> Any:
    if name == "names":
        loaded = (one for one in backend_names() if sys.modules.get(one) is not None)
        return tuple(one for one in loaded if is_installed(one))
    if name not in backend_names():
        raise AttributeError(f"module 'd2ldrop.loaded' has no attribute {name!r}")
    found = globals()[name] = Loaded(get_backend(name), get_tracer(name))
    return found
