"""One training run: its identity, its results, and both as JSON."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.core.machine import machine, numeric_environment, recorded_environment
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset
from d2ldrop.training.divergence import steps_before_divergence
from d2ldrop.training.layer_statistics import EpochActivations
from d2ldrop.version import __version__


@dataclass(frozen=True)
class EpochResult:
    """The metrics of one epoch.

    Training loss (nats) and accuracy are averages over the epoch's images during training, with
    dropout. The test accuracy is measured after the epoch, without dropout. ``seconds`` is the time
    of the training steps, without the evaluation.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float


@dataclass(frozen=True)
class RunIdentity:
    """The identity of a run. Two runs with equal ``deciding`` fields give the same numbers.

    Attributes:
        backend: the framework's import name.
        implementation: "scratch" or "concise".
        recipe: the hyper-parameters.
        framework_version: the framework's version.
        device: "cpu" or "gpu:N".
        dataset: the dataset's name.
        dataset_sha256: SHA-256 of its arrays.
        train_size: number of training images.
        test_size: number of test images.
        record: what the run records in addition, such as "activations".
        on_divergence: "continue" or "stop" (see ``training.divergence``).
        numpy_version: NumPy's version. This field and the next ones are None in old files.
        python_version: Python's version.
        d2ldrop_version: this package's version.
        environment: the environment variables that ``core.machine`` records.
        machine: the platform, processor, cores and Python.
    """

    backend: str
    implementation: str
    recipe: Recipe
    framework_version: str
    device: str
    dataset: str
    dataset_sha256: str
    train_size: int
    test_size: int
    record: tuple[str, ...] = ()
    on_divergence: str = "continue"
    numpy_version: str | None = None
    python_version: str | None = None
    d2ldrop_version: str | None = None
    environment: dict[str, str] | None = None
    machine: dict[str, Any] | None = None

    @classmethod
    def here(
        cls,
        backend: str,
        recipe: Recipe,
        data: Dataset,
        *,
        implementation: str,
        device: str,
        record: Sequence[str],
        on_divergence: str,
    ) -> RunIdentity:
        """The identity of a run that begins in this process, after its framework was imported."""
        return cls(
            backend=backend,
            implementation=implementation,
            recipe=recipe,
            framework_version=str(getattr(sys.modules[backend], "__version__", "unknown")),
            device=device,
            **data.identity,
            record=tuple(record),
            on_divergence=on_divergence,
            numpy_version=np.__version__,
            python_version=platform.python_version(),
            d2ldrop_version=__version__,
            environment=recorded_environment(),
            machine=machine(),
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values; dtype and seed also appear outside the recipe."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        recipe = {
            "dtype": self.recipe.dtype,
            "seed": self.recipe.seed,
            "recipe": self.recipe.to_dict(),
        }
        return {**values, **recipe, "record": list(self.record)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunIdentity:
        """The identity in a ``result.json``; missing fields take their defaults.

        Raises:
            KeyError: a field that every version of the format has is missing.
        """
        known = {field.name for field in fields(cls)} & values.keys()
        kept = {name: values[name] for name in known}
        record = kept.get("record", ["activations"] if "activations" in values else [])
        return cls(
            **{
                "implementation": "scratch",
                **kept,
                "recipe": Recipe(**values["recipe"]),
                "record": tuple(record),
            }
        )

    def deciding(self) -> dict[str, Any]:
        """The fields that determine the run's numbers, except those that an old file lacks.

        The machine and Python's version are recorded but do not determine the numbers.
        """
        values = {
            "backend": self.backend,
            "implementation": self.implementation,
            "recipe": self.recipe.to_dict(),
            "record": list(self.record),
            "on_divergence": self.on_divergence,
            "device": self.device,
            "dataset": self.dataset,
            "train_size": self.train_size,
            "test_size": self.test_size,
            "dataset_sha256": self.dataset_sha256,
            "environment": None
            if self.environment is None
            else numeric_environment(self.environment),
            "framework_version": self.framework_version,
            "numpy_version": self.numpy_version,
            "d2ldrop_version": self.d2ldrop_version,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass
class Run:
    """A training run; it is complete after ``recipe.num_epochs`` epochs, or if it stopped early.

    Attributes:
        identity: the settings of the run.
        weights: W1 (784, h1), b1 (h1,), W2 (h1, h2), b2 (h2,), W3 (h2, 10), b3 (10,).
        trace: the loss of each step (nats), float64, shape (steps,).
        history: the result of each epoch.
        activations: statistics of the hidden layers after each epoch; None if not recorded.
        peak_rss_bytes: the largest resident memory of the process so far.
    """

    identity: RunIdentity
    weights: dict[str, npt.NDArray[Any]]
    trace: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    history: list[EpochResult] = field(default_factory=list)
    activations: list[EpochActivations] | None = None
    peak_rss_bytes: int = 0

    @property
    def backend(self) -> str:
        """The framework's import name."""
        return self.identity.backend

    @property
    def implementation(self) -> str:
        """Either "scratch" or "concise"."""
        return self.identity.implementation

    @property
    def recipe(self) -> Recipe:
        """The hyper-parameters."""
        return self.identity.recipe

    @property
    def framework_version(self) -> str:
        """The framework's version."""
        return self.identity.framework_version

    @property
    def device(self) -> str:
        """Either "cpu" or "gpu:N"."""
        return self.identity.device

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.identity.dataset

    @property
    def dataset_sha256(self) -> str:
        """SHA-256 of the dataset's arrays."""
        return self.identity.dataset_sha256

    @property
    def train_size(self) -> int:
        """Number of training images."""
        return self.identity.train_size

    @property
    def test_size(self) -> int:
        """Number of test images."""
        return self.identity.test_size

    @property
    def environment(self) -> dict[str, str]:
        """The recorded environment variables."""
        return self.identity.environment or {}

    @property
    def machine(self) -> dict[str, Any]:
        """The platform, processor, cores and Python."""
        return self.identity.machine or {}

    @property
    def diverged_after(self) -> int | None:
        """The number of steps after which the run has diverged; None if it has not."""
        return steps_before_divergence(self.trace, self.weights)

    @property
    def stops(self) -> bool:
        """Whether the run takes no more steps, because it has diverged."""
        return self.identity.on_divergence == "stop" and self.diverged_after is not None

    @property
    def stopped_early(self) -> bool:
        """Whether the run took fewer steps than its recipe says, because it has diverged."""
        num_batches = -(-self.train_size // self.recipe.batch_size)
        return self.stops and len(self.trace) < self.recipe.num_epochs * num_batches

    def to_dict(self) -> dict[str, Any]:
        """Everything except the arrays, as ``result.json`` holds it."""
        result = {
            **self.identity.to_dict(),
            "epochs": [asdict(epoch) for epoch in self.history],
            "diverged_after": self.diverged_after,
            "stopped_early": self.stopped_early,
            "peak_rss_bytes": self.peak_rss_bytes,
        }
        if self.activations is not None:
            result["activations"] = self.activations
        return result


def expected_identity(
    backend: str,
    recipe: Recipe,
    implementation: str,
    record: Sequence[str],
    device: str,
    environment: Mapping[str, str],
    data: Dataset | None = None,
    *,
    on_divergence: str = "continue",
) -> dict[str, Any]:
    """The fields of ``RunIdentity.deciding`` that are known before the run's worker starts.

    ``recipe`` is the result of ``recipe_for``, and ``environment`` is the worker's environment.
    Without ``data`` the fields of the dataset are left out: a run can be refused before data are
    loaded.
    """
    values: dict[str, Any] = {
        "backend": backend,
        "implementation": implementation,
        "recipe": recipe.to_dict(),
        "record": list(record),
        "on_divergence": on_divergence,
        "device": device,
        "environment": numeric_environment(environment),
    }
    if data is not None:
        values |= data.identity
    return values
