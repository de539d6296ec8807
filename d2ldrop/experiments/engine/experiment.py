"""What an experiment is: the arms it compares, what it measures, and the results over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from d2ldrop.backend import available_backends
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset
from d2ldrop.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Float64 = npt.NDArray[np.float64]
Compared = dict[str, Float64]
TEST_ERROR = {"test_error": "test error (%)"}


@dataclass(frozen=True)
class Setting:
    """What the user asked for; an experiment varies it."""

    recipe: Recipe
    backend: str
    num_images: int  # to train on
    usable: Sequence[str] = field(default_factory=available_backends)  # backends


@dataclass(frozen=True)
class Arm:
    """One of the things that are compared; it is trained once a seed."""

    name: str
    recipe: Recipe
    train_size: int | None = None  # the first so many training images; all if None
    backend: str | None = None  # another than the experiment's


class Results:
    """What the runs of an experiment measured, by arm and seed."""

    def __init__(
        self, arms: list[Arm], seeds: list[int], runs: Mapping[tuple[str, int], dict[str, Any]]
    ) -> None:
        self.arms, self.seeds, self.runs = arms, seeds, runs

    @property
    def names(self) -> list[str]:
        """The arms' names."""
        return [arm.name for arm in self.arms]

    @property
    def test_errors(self) -> Compared:
        """Each arm's test error in % after the last epoch, shape (seeds,)."""
        return {name: self.last(name, "test_error") for name in self.names}

    def last(self, arm: str, key: str) -> Float64:
        """What was measured after the last epoch: a value a seed, shape (seeds,)."""
        return np.array([self.runs[arm, seed]["measured"][-1][key] for seed in self.seeds], float)

    def curve(self, arm: str, key: str) -> Float64:
        """What was measured after each epoch, shape (seeds, epochs)."""
        return np.array(
            [[epoch[key] for epoch in self.runs[arm, seed]["measured"]] for seed in self.seeds],
            float,
        )


@dataclass(frozen=True)
class Experiment:
    """One experiment, as its module defines it.

    Attributes:
        question: what it asks, in a line.
        arms: from what the user asked for, what is trained.
        metrics: what the table compares, and its label with its unit; the first is tested.
        baseline: with which entry of the table all others are compared.
        baseline_of: the entry's own one, where they differ; ``baseline`` is then only its label.
        draw: the figure.
        conclude: two sentences that follow from the numbers, whatever these are.
        measure: what a run adds, in its worker, to ``test_error`` (%) and ``train_loss`` (nats).
        each_epoch: measure after every epoch, not only after the last.
        compared: for a metric the values (seeds,) of each entry of the table; each arm's last
            if not given.
    """

    question: str
    arms: Callable[[Setting], list[Arm]]
    baseline: str
    draw: Callable[[Results], Figure]
    conclude: Callable[[Results], str]
    metrics: Mapping[str, str]
    baseline_of: Callable[[str], str] | None = None
    measure: Callable[[Run, Dataset], dict[str, Any]] | None = None
    each_epoch: bool = False
    compared: Callable[[Results, str], Compared] | None = None

    def baselines(self, entries: Compared) -> dict[str, str]:
        """With what each entry is compared."""
        return {name: (self.baseline_of or (lambda _: self.baseline))(name) for name in entries}

    def entries(self, results: Results, metric: str) -> Compared:
        """What the table compares."""
        if self.compared:
            return self.compared(results, metric)
        return {name: results.last(name, metric) for name in results.names}
