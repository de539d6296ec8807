"""The checks of a run's JSON: fields, recipe, epochs, and the arrays that belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d2ldrop.core.files import check_fields, damaged, with_nan
from d2ldrop.training.run import RunIdentity
from d2ldrop.training.saved_arrays import Layout, weights_layout

FIELDS: dict[str, type] = {
    "backend": str,
    "framework_version": str,
    "device": str,
    "dataset": str,
    "dataset_sha256": str,
    "train_size": int,
    "test_size": int,
    "recipe": dict,
    "epochs": list,
    "peak_rss_bytes": int,
}
"""The fields that every run has, in every format."""
LATER_FIELDS: dict[str, type] = {
    "implementation": str,
    "record": list,
    "numpy_version": str,
    "python_version": str,
    "d2ldrop_version": str,
    "environment": dict,
    "machine": dict,
    "activations": list,
    "stopped_early": bool,
    "arrays": dict,
}
"""Fields that an old file may lack; null is the same as missing."""
EPOCH_FIELDS: dict[str, type] = {
    "epoch": int,
    "train_loss": float,
    "train_accuracy": float,
    "test_accuracy": float,
    "seconds": float,
}
ACTIVATION_FIELDS: dict[str, type] = {"epoch": int, "training": list, "evaluation": list}


LARGEST_NUMBER = 2**63
"""More bytes and seconds than any run takes."""


class CheckedResult:
    """The JSON of a run after all checks that need no array.

    Args:
        path: the file of the JSON, for messages.
        values: its content, with a correct seal.
        remedy: what the user can do if the file is damaged.

    Attributes:
        content: ``values``.
        values: the same, with NaN for each null in "epochs" and "activations".
        identity: the settings of the run.

    Raises:
        DamagedFileError: a check fails.
    """

    def __init__(self, path: Path, values: dict[str, Any], remedy: str) -> None:
        self.path, self.content, self.remedy = path, values, remedy
        check_fields(path, values, FIELDS, remedy)
        self.values = {
            **values,
            "epochs": with_nan(values["epochs"]),
            "activations": with_nan(values.get("activations")),
        }
        later = {k: v for k, v in LATER_FIELDS.items() if values.get(k) is not None}
        check_fields(path, values, later, remedy)
        try:
            self.identity = RunIdentity.from_dict(
                {name: value for name, value in values.items() if value is not None}
            )
        except (ValueError, TypeError) as error:  # a field of the recipe
            raise self._damaged(f"has an invalid recipe ({error})") from error
        for name in ("train_size", "test_size"):
            if values[name] < 1:
                raise self._damaged(f"must have a positive {name}, got {values[name]}")
        if not 0 <= values["peak_rss_bytes"] < LARGEST_NUMBER:
            raise self._damaged(
                f"must have a peak_rss_bytes of 0 to 2^63, got {values['peak_rss_bytes']}"
            )
        for name in ("dtype", "seed"):  # also outside the recipe
            if values.get(name, self._of_recipe(name)) != self._of_recipe(name):
                raise self._damaged(f"has two values of {name}")
        self._check_epochs()

    @property
    def described(self) -> dict[str, Any]:
        """The dtype, shape and SHA-256 of each array; empty in a file of format 1."""
        return self.values.get("arrays") or {}

    def layout(self) -> Layout:
        """The expected dtypes and shapes of the weights."""
        return weights_layout(self.identity.recipe.sizes, self.identity.recipe.dtype)

    def steps(self) -> int:
        """The number of steps of the trace; a run that stopped early did not finish an epoch."""
        epochs = len(self.values["epochs"])
        per_epoch = -(-self.identity.train_size // self.identity.recipe.batch_size)
        if not self.values.get("stopped_early"):
            return epochs * per_epoch
        try:
            (steps,) = self.described["trace"]["shape"]
        except (KeyError, TypeError, ValueError):
            raise self._damaged("lacks the number of steps of a run that stopped early") from None
        if not isinstance(steps, int) or not (epochs - 1) * per_epoch < steps <= epochs * per_epoch:
            raise self._damaged(f"must have a trace that ends in epoch {epochs}, got {steps} steps")
        return steps

    def check_complete(self) -> None:
        """Raise DamagedFileError if epochs are missing."""
        expected, got = self.identity.recipe.num_epochs, len(self.values["epochs"])
        if got != expected and not self.values.get("stopped_early"):
            raise self._damaged(f"must have {expected} epochs, got {got}")

    def _check_epochs(self) -> None:
        """Check that the epochs, and what was recorded after each, are numbered 1, 2, …"""
        epochs, activations = self.values["epochs"], self.values["activations"]
        if not 1 <= len(epochs) <= self.identity.recipe.num_epochs:
            raise self._damaged(
                f"must have 1 to {self.identity.recipe.num_epochs} epochs, got {len(epochs)}"
            )
        for number, epoch in enumerate(epochs, 1):
            self._check_number(epoch, number, EPOCH_FIELDS)
            for name in ("train_accuracy", "test_accuracy"):
                if not 0 <= epoch[name] <= 1:
                    raise self._damaged(f"must have {name} in [0, 1], got {epoch[name]}")
            if not 0 <= epoch["seconds"] < LARGEST_NUMBER:
                raise self._damaged(f"must have seconds of 0 to 2^63, got {epoch['seconds']}")
        if activations is not None:
            for number, one in enumerate(activations, 1):
                self._check_number(one, number, ACTIVATION_FIELDS)
            if len(activations) != len(epochs):
                raise self._damaged(
                    f"must have activations of {len(epochs)} epochs, got {len(activations)}"
                )

    def _check_number(self, item: Any, number: int, expected: Mapping[str, type]) -> None:
        check_fields(self.path, item, expected, self.remedy)
        if item["epoch"] != number:
            raise self._damaged(f"must have epoch {number} at this place, got {item['epoch']}")

    def _of_recipe(self, name: str) -> Any:
        return getattr(self.identity.recipe, name)

    def _damaged(self, problem: str) -> ValueError:
        return damaged(self.path, problem, self.remedy)
