"""How the backends are found; their contract is in ``d2ldrop.contract``.

- A backend is a module with the functions of ``Backend``. It may have those of ``ConciseBackend``.
  The entry-point group ``d2ldrop.backends`` registers it: the key is the framework's import name,
  the value the module.
- A second module may have what compiled functions need: several training steps in one call
  (``TrainSteps``) and the layer for traced arrays (``Tracer``). The group ``d2ldrop.compiled``
  registers it in the same way.
- A framework is imported only if it is asked for by name, or if the caller passes an array and it
  is loaded already.
- A missing framework, and one whose import would crash the process, give clear errors. A broken
  installation shows its own error.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any, cast

from d2ldrop.contract import CONCISE, Array, Backend, ConciseBackend, Tracer, TrainSteps
from d2ldrop.core.devices import device_name
from d2ldrop.core.imports import safe_import
from d2ldrop.core.suggestions import did_you_mean
from d2ldrop.entry_points import modules_of
from d2ldrop.frameworks import FRAMEWORKS, aliases, framework, how_to_install, title

__all__ = [
    "GROUP",
    "Backend",
    "ConciseBackend",
    "Tracer",
    "TrainSteps",
    "available_backends",
    "backend_names",
    "check_device",
    "check_name",
    "concise_backend",
    "get_backend",
    "get_compiled",
    "get_tracer",
    "get_train_steps",
    "install_hint",
    "is_installed",
]

GROUP = "d2ldrop.backends"


def backend_names() -> list[str]:
    """The names of all registered backends, installed or not; NumPy, the reference, comes first."""
    known = [name for name in FRAMEWORKS if name in modules_of(GROUP)]
    return known + sorted(modules_of(GROUP).keys() - FRAMEWORKS.keys())


def is_installed(name: str) -> bool:
    """Whether the framework, and what its backend needs besides, can be found.

    Nothing is imported: a broken installation counts.
    """
    return all(_is_found(package) for package in (name, *framework(name).needs))


def _is_found(name: str) -> bool:
    if sys.modules.get(name) is not None:
        return True
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # a blocked import: sys.modules[name] is None
        return False
    return spec is not None and spec.origin is not None  # a plain folder has no origin


def available_backends() -> list[str]:
    """The names of the backends whose framework is installed here; nothing is imported.

    >>> "numpy" in available_backends()
    True
    """
    return [name for name in backend_names() if is_installed(name)]


def install_hint(name: str) -> str:
    """How to install a backend's framework here: a pip command, or why there is none."""
    entry = modules_of(GROUP)[name]
    return how_to_install(name, entry.dist.name if entry.dist is not None else None)


def check_name(name: str) -> None:
    """Raise unless ``name`` is a registered backend whose framework is installed.

    Raises:
        ValueError: no such backend.
        ModuleNotFoundError: its framework is not installed.
    """
    if name not in backend_names():
        hint = did_you_mean(str(name), backend_names(), aliases())
        known = ", ".join(backend_names())
        raise ValueError(f"unknown backend {name!r}: expected one of {known}{hint}")
    if not is_installed(name):
        raise ModuleNotFoundError(
            f"backend {name!r} needs {', '.join((title(name), *framework(name).needs))}: "
            f"{install_hint(name)}",
            name=name,
        )


def get_backend(name: str) -> Backend[Any]:
    """The backend module of a framework, by the framework's import name; imports the framework.

    Raises:
        ValueError: no backend has that name.
        ModuleNotFoundError: the framework is not installed; the message says how to install it.
        ImportError: the import would crash this process (paddle after tensorflow), or the system
            lacks a library that the framework needs.
    """
    check_name(name)
    home = modules_of(GROUP)[name].value
    try:
        with safe_import(name):
            __import__(home)  # not import_module, which a traced function of TensorFlow cannot call
    except ModuleNotFoundError as error:
        if error.name != name:  # a broken install: something else is missing
            raise
        raise ModuleNotFoundError(
            f"backend {name!r} needs {title(name)}: {install_hint(name)}", name=name
        ) from error
    return cast("Backend[Any]", sys.modules[home])


def concise_backend(backend: Backend[Array]) -> ConciseBackend[Array]:
    """``backend`` itself, which has the functions of the concise version.

    Raises:
        ValueError: it lacks some of them; the message names these.
    """
    missing = [name for name in CONCISE if not hasattr(backend, name)]
    if missing:
        module = getattr(backend, "__name__", "the backend")
        raise ValueError(f"{module} lacks {', '.join(missing)}: implementation 'scratch' trains it")
    return cast("ConciseBackend[Array]", backend)


def get_compiled(name: str) -> Any:
    """A framework's module for compiled functions; None if it has none. Errors: ``get_backend``."""
    get_backend(name)
    entry = modules_of("d2ldrop.compiled").get(name)
    return None if entry is None else entry.load()


def get_train_steps(name: str) -> TrainSteps | None:
    """The compiled training steps of a framework; None if it has none. Errors: ``get_backend``."""
    train_steps: TrainSteps | None = getattr(get_compiled(name), "train_steps", None)
    return train_steps


def get_tracer(name: str) -> Tracer | None:
    """The layer for a framework's traced arrays; None if it has none. Errors: ``get_backend``."""
    compiled: Tracer | None = get_compiled(name)
    return compiled if hasattr(compiled, "traced_layer") else None


def check_device(backend: Backend[Any], name: str, device: str) -> str:
    """The full name of ``device`` if the framework ``name`` can use it here.

    Raises:
        ValueError: ``device`` is not the name of a device, or the framework cannot use it here.
    """
    full_name = device_name(device)
    if full_name not in backend.devices():
        raise ValueError(
            f"{name} cannot use device {device!r} here: "
            f"expected one of {', '.join(backend.devices())}"
        )
    return full_name
