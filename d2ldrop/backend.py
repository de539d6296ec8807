"""Finding backends: what a backend is, which there are, and which one an array belongs to.

- A backend is a module with the functions of ``Backend``, found by the entry-point group
  ``d2ldrop.backends``: the key is its framework's import name, the value the module.
- A framework is imported only when it is asked for by name or when the caller's array proves that
  it is loaded already.
- A framework that is missing, and one whose import would take the process down, are clear errors;
  one that is broken shows its own error.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeVar, cast

import numpy.typing as npt

from d2ldrop.core.imports import explained, refuse_fatal_import
from d2ldrop.frameworks import FRAMEWORKS, how_to_install, title

Array = TypeVar("Array")
Masks = tuple[Array | None, Array | None]


class Backend(Protocol[Array]):
    """What the core asks of a framework's module; ``Array`` is its array type.

    Arguments are checked by the core: a backend may rely on valid ones.
    """

    def is_array(self, x: object) -> bool:
        """Whether ``x`` is an array of this framework, subclasses and parameters included."""
        ...

    def devices(self) -> list[str]:
        """The devices it can use here: "cpu", then "gpu:0" and so on."""
        ...

    def from_numpy(self, array: npt.NDArray[Any], device: str = "cpu") -> Array:
        """The values of ``array`` on ``device``, same shape and dtype.

        The array is given away: its memory may be shared, and must stay as it is.
        """
        ...

    def to_numpy(self, x: Array) -> npt.NDArray[Any]:
        """The values of ``x``, which may share its memory."""
        ...

    def manual_seed(self, seed: int) -> None:
        """Seed the generator that ``dropout_layer`` draws fresh masks from."""
        ...

    def dropout_layer(self, X: Array, dropout: float, *, mask: Array | None = None) -> Array:
        """``mask / (1 - dropout) * X``; without a mask, a fresh one.

        A mask of numbers, which ``d2ldrop.core.noise`` draws, is scaled already: ``mask * X``.
        """
        ...

    def init_params(self, arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
        """Trainable parameters with the values of ``arrays``: W1, b1, W2, b2, W3, b3."""
        ...

    def mlp(
        self,
        params: list[Array],
        X: Array,
        dropout: tuple[float, float] = (0, 0),
        masks: Masks[Array] = (None, None),
        noise: str = "dropout",
    ) -> Array:
        """Logits (n, 10) of images X (n, 784), noise after each hidden activation.

        The noise is ``d2ldrop.core.noise.noise_layer``'s, with the backend's ``dropout_layer``.
        """
        ...

    def cross_entropy(self, logits: Array, y: Array) -> Array:
        """Softmax cross-entropy, averaged over the batch: a scalar."""
        ...

    def train_step(
        self,
        params: list[Array],
        X: Array,
        y: Array,
        lr: float,
        dropout: tuple[float, float],
        masks: Masks[Array] = (None, None),
        noise: str = "dropout",
        weight_decay: float = 0,
    ) -> tuple[list[Array], Array, Array]:
        """One step of SGD; the new parameters, and the loss and logits before the step.

        To the gradient of each W, not of b, ``weight_decay * W`` is added.
        """
        ...

    def clip_norms(self, params: list[Array], max_norm: float) -> list[Array]:
        """``params`` with the columns of each W scaled down to a norm of at most ``max_norm``."""
        ...

    def predict(self, params: list[Array], X: Array) -> Array:
        """Logits (n, 10) without dropout and without a gradient."""
        ...

    def concise_mlp(
        self,
        arrays: Sequence[npt.NDArray[Any]],
        dropout: tuple[float, float],
        lr: float,
        noise: str = "dropout",
        device: str = "cpu",
    ) -> tuple[Any, Any]:
        """The same network of the framework's own layers, and the optimiser that trains it.

        ``noise`` is "dropout" or one of ``d2ldrop.training.implementations.CONCISE_NOISES``.
        """
        ...

    def concise_step(self, net: Any, trainer: Any, X: Array, y: Array) -> tuple[Array, Array]:
        """One step of the optimiser; the loss and logits before the step."""
        ...

    def concise_predict(self, net: Any, X: Array) -> Array:
        """Logits (n, 10) without dropout and without a gradient."""
        ...

    def concise_params(self, net: Any) -> list[npt.NDArray[Any]]:
        """W1, b1, … in NumPy, W as inputs × outputs; they may share the network's memory."""
        ...


@functools.cache
def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="d2ldrop.backends")}


def backend_names() -> list[str]:
    """The names of all registered backends, installed or not; NumPy, the reference, comes first."""
    known = [name for name in FRAMEWORKS if name in _entry_points()]
    return known + sorted(_entry_points().keys() - FRAMEWORKS.keys())


def is_installed(name: str) -> bool:
    """Whether the framework can be found, without importing it; a broken one can."""
    if sys.modules.get(name) is not None:
        return True
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # a blocked import: sys.modules[name] is None
        return False
    return spec is not None and spec.origin is not None  # a folder of that name is no framework


def available_backends() -> list[str]:
    """The names of the backends whose framework is installed here; nothing is imported.

    >>> "numpy" in available_backends()
    True
    """
    return [name for name in backend_names() if is_installed(name)]


def install_hint(name: str) -> str:
    """How to install a backend's framework here: a pip line, or why there is none."""
    entry = _entry_points()[name]
    return how_to_install(name, entry.dist.name if entry.dist is not None else None)


def check_name(name: str) -> None:
    """Raise unless ``name`` is a registered backend whose framework is installed.

    Raises:
        ValueError: no such backend.
        ModuleNotFoundError: its framework is not installed.
    """
    if name not in backend_names():
        close = difflib.get_close_matches(str(name), backend_names(), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        known = ", ".join(backend_names())
        raise ValueError(f"unknown backend {name!r}: expected one of {known}{hint}")
    if not is_installed(name):
        raise ModuleNotFoundError(
            f"backend {name!r} needs {title(name)}: {install_hint(name)}", name=name
        )


def get_backend(name: str) -> Backend[Any]:
    """The backend module of a framework, by the framework's import name; imports the framework.

    Raises:
        ValueError: no backend has that name.
        ModuleNotFoundError: the framework is not installed; the message holds the pip line.
        ImportError: importing it into this process would crash (paddle after tensorflow), or the
            system lacks a library that it needs.
    """
    check_name(name)
    refuse_fatal_import(name)
    home = _entry_points()[name].value
    try:
        with explained(name):
            __import__(home)  # not import_module, which a traced function of TensorFlow cannot call
    except ModuleNotFoundError as error:
        if error.name != name:  # not the framework but something it needs: a broken install
            raise
        raise ModuleNotFoundError(
            f"backend {name!r} needs {title(name)}: {install_hint(name)}", name=name
        ) from error
    return cast("Backend[Any]", sys.modules[home])


_backend_of_type: dict[type, Backend[Any]] = {}


def backend_of(X: object) -> Backend[Any]:
    """The backend whose array ``X`` is. Only frameworks that are loaded already are asked.

    Raises:
        TypeError: ``X`` is not an array of any of them.
    """
    known = _backend_of_type.get(type(X))
    if known is not None:
        return known
    for name in backend_names():
        if sys.modules.get(name) is not None:
            backend = get_backend(name)
            if backend.is_array(X):
                _backend_of_type[type(X)] = backend
                return backend
    kinds = ", ".join(title(name) for name in backend_names())
    raise TypeError(
        f"X must be an array of one of {kinds}, got {type(X).__name__}; "
        "numpy.asarray(X) makes an array of a list or a number"
    )
