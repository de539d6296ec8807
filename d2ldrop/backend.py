"""Backends: the contract of a framework's module, and how such modules are found.

- A backend is a module with the functions of ``Backend``. The entry-point group
  ``d2ldrop.backends`` registers it: the key is the framework's import name, the value the module.
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
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, cast

import numpy.typing as npt

from d2ldrop.core.devices import device_name
from d2ldrop.core.imports import safe_import
from d2ldrop.core.noise import NO_NOISE, Noise
from d2ldrop.core.suggestions import did_you_mean
from d2ldrop.entry_points import modules_of
from d2ldrop.frameworks import FRAMEWORKS, aliases, how_to_install, title

Array = TypeVar("Array")
GROUP = "d2ldrop.backends"


class Backend(Protocol[Array]):
    """The functions of a framework's module; ``Array`` is the framework's array type.

    The core checks all arguments before it calls a backend.
    """

    def is_array(self, x: object) -> bool:
        """Whether ``x`` is an array of this framework, subclasses and parameters included."""
        ...

    def devices(self) -> list[str]:
        """The devices that the framework can use here: "cpu", then "gpu:0" and so on."""
        ...

    def from_numpy(self, array: npt.NDArray[Any], device: str = "cpu") -> Array:
        """An array on ``device`` with the values, shape and dtype of ``array``.

        Do not modify ``array`` afterwards: its memory may be shared.
        """
        ...

    def to_numpy(self, x: Array) -> npt.NDArray[Any]:
        """The values of ``x``; the result may share its memory."""
        ...

    def manual_seed(self, seed: int) -> None:
        """Seed the generator that ``dropout_layer`` draws fresh masks from."""
        ...

    def dropout_layer(self, X: Array, dropout: float, *, mask: Array | None = None) -> Array:
        """``mask * X / (1 - dropout)`` with a boolean mask, or a fresh one if it is None."""
        ...

    def init_params(self, arrays: Sequence[npt.NDArray[Any]], device: str = "cpu") -> list[Array]:
        """Trainable copies of ``arrays``: W1, b1, W2, b2, W3, b3."""
        ...

    def mlp(self, params: list[Array], X: Array, noise: Noise = NO_NOISE) -> Array:
        """Logits (n, 10) of images X (n, 784), with noise after each hidden activation.

        ``d2ldrop.core.noise.noise_layer`` applies the noise, with the backend's ``dropout_layer``.
        """
        ...

    def cross_entropy(self, logits: Array, y: Array) -> Array:
        """Softmax cross-entropy of logits (n, 10) and labels y (n,), averaged: a scalar."""
        ...

    def train_step(
        self,
        params: list[Array],
        X: Array,
        y: Array,
        lr: float,
        noise: Noise,
        weight_decay: float = 0,
    ) -> tuple[list[Array], Array, Array]:
        """Take one step of SGD; return the new parameters, and loss and logits before the update.

        ``weight_decay * W`` is added to the gradient of each W, but not to those of the biases.
        """
        ...

    def clip_norms(self, params: list[Array], max_norm: float) -> list[Array]:
        """``params`` with the columns of each W scaled down to a norm of at most ``max_norm``."""
        ...

    def predict(self, params: list[Array], X: Array) -> Array:
        """Logits (n, 10) without noise and without recording gradients."""
        ...

    def concise_mlp(
        self,
        arrays: Sequence[npt.NDArray[Any]],
        dropout: tuple[float, float],
        lr: float,
        noise: str = "dropout",
        device: str = "cpu",
    ) -> tuple[Any, Any]:
        """The same network made of the framework's own layers, and its optimiser.

        ``noise`` is "dropout" or one of the framework's ``Framework.concise_noises``.
        """
        ...

    def concise_step(self, net: Any, trainer: Any, X: Array, y: Array) -> tuple[Array, Array]:
        """Take one step of the optimiser; return loss and logits before the update."""
        ...

    def concise_predict(self, net: Any, X: Array) -> Array:
        """Logits (n, 10) without noise and without recording gradients."""
        ...

    def concise_params(self, net: Any) -> list[npt.NDArray[Any]]:
        """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs; memory may be shared."""
        ...


class TrainSteps(Protocol):
    """``train_steps`` of a module in the group ``d2ldrop.compiled``.

    One call takes k steps of ``train_step``, with the same results. If ``max_norm`` is given,
    ``clip_norms`` follows each step. X (k, n, 784), y (k, n) and each mask have an additional first
    axis: the steps. The call returns the new parameters, the losses (k,) and the logits
    (k, n, 10).
    """

    def __call__(
        self,
        params: list[Any],
        X: Any,
        y: Any,
        lr: float,
        noise: Noise,
        weight_decay: float = 0,
        max_norm: float | None = None,
    ) -> tuple[list[Any], Any, Any]:
        """Take the steps."""
        ...


class Tracer(Protocol):
    """``dropout_layer`` inside functions that a framework compiles, exports or traces.

    The functions of a module in the group ``d2ldrop.compiled``. A framework needs them if its
    compiler cannot follow ``d2ldrop.layer``, which draws and scales masks with NumPy.
    """

    def is_traced(self, X: Any) -> bool:
        """Whether ``X`` has no value yet, because a function is being traced."""
        ...

    def traced_layer(
        self,
        X: Any,
        dropout: float,
        mask: Any,
        seed: int | None,
        step: int | None,
        site: int | None,
    ) -> Any:
        """What ``d2ldrop.dropout_layer`` returns, with the same checks of the arguments."""
        ...


def backend_names() -> list[str]:
    """The names of all registered backends, installed or not; NumPy, the reference, comes first."""
    known = [name for name in FRAMEWORKS if name in modules_of(GROUP)]
    return known + sorted(modules_of(GROUP).keys() - FRAMEWORKS.keys())


def is_installed(name: str) -> bool:
    """Whether the framework can be found. Nothing is imported: a broken installation counts."""
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
            f"backend {name!r} needs {title(name)}: {install_hint(name)}", name=name
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
