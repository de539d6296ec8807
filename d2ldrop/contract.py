"""The contract of a backend: the functions that a framework's modules have.

- ``Backend`` is required: the module that the group ``d2ldrop.backends`` registers has all of its
  functions.
- ``ConciseBackend`` is optional. The same module then has four more functions: the concise version,
  made of the framework's own layers.
- ``TrainSteps`` and ``Tracer`` are optional, too. They are the functions of a second module, which
  the group ``d2ldrop.compiled`` registers.

A function is optional only as a part of its protocol: a module has all functions of the protocol or
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy.typing as npt

from d2ldrop.core.noise import NO_NOISE, Noise

Array = TypeVar("Array")


class Backend(Protocol[Array]):
    """The functions that a framework's module must have; ``Array`` is the framework's array type.

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


class ConciseBackend(Backend[Array], Protocol[Array]):
    """A backend with the concise version: the framework's own layers, dropout and optimiser.

    Without these four functions, d2ldrop trains the framework from scratch only.
    ``Framework.concise`` declares that they are there.
    """

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


CONCISE = tuple(name for name in vars(ConciseBackend) if name.startswith("concise_"))
"""The names of the functions of the concise version."""
