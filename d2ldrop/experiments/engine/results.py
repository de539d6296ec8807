"""The measurements of an experiment's runs, by arm and seed.

A run that diverged has no meaningful measurements: its values are NaN, which statistics leave out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.core.recipe import Recipe

Float64 = npt.NDArray[np.float64]
Entries = dict[str, Float64]
"""Values of shape (seeds,) for each entry of a table."""


@dataclass(frozen=True)
class Arm:
    """One of the trainings that an experiment compares; it runs once per seed."""

    name: str
    recipe: Recipe
    train_size: int | None = None  # use the first N training images; None: all of them
    backend: str | None = None  # None: the experiment's backend


class Results:
    """The measurements of the arms over the seeds.

    Args:
        arms: the trainings.
        seeds: the seeds for which every arm has a run.
        runs: the content of each run's file, by arm name and seed; "measured" contains one dict
            per measured epoch, and "diverged_after" is the number of steps after which the run
            diverged, or None.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        seeds: Sequence[int],
        runs: Mapping[tuple[str, int], dict[str, Any]],
    ) -> None:
        self.arms, self.seeds, self.runs = list(arms), list(seeds), runs

    @property
    def names(self) -> list[str]:
        """The names of the arms."""
        return [arm.name for arm in self.arms]

    @property
    def test_errors(self) -> Entries:
        """Each arm's test error (%) after the last epoch, shape (seeds,)."""
        return {name: self.last(name, "test_error") for name in self.names}

    def diverged(self, arm: str) -> npt.NDArray[np.bool_]:
        """Return whether each run of an arm diverged, shape (seeds,).

        A run with a measurement that is not finite counts as diverged, too.
        """
        return np.array([_diverged(self.runs[arm, seed]) for seed in self.seeds], bool)

    def last(self, arm: str, key: str) -> Float64:
        """Return a measurement after the last epoch, shape (seeds,); NaN for a diverged run."""
        values = [self.runs[arm, seed]["measured"][-1][key] for seed in self.seeds]
        return np.where(self.diverged(arm), np.nan, np.array(values, float))

    def curve(self, arm: str, key: str) -> Float64:
        """Return a measurement after each epoch, shape (seeds, epochs); NaN for a diverged run."""
        values = [[epoch[key] for epoch in self.runs[arm, seed]["measured"]] for seed in self.seeds]
        return np.where(self.diverged(arm)[:, None], np.nan, np.array(values, float))


def _diverged(run: Mapping[str, Any]) -> bool:
    if run.get("diverged_after") is not None:  # an old file lacks it
        return True
    numbers = [value for value in run["measured"][-1].values() if not isinstance(value, list)]
    return not all(value is not None and math.isfinite(value) for value in numbers)
