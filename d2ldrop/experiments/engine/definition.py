"""The types that define an experiment: its arms, its measurements and its conclusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset
from d2ldrop.experiments.engine.results import Arm, Entries, Results
from d2ldrop.experiments.engine.sentences import left_out
from d2ldrop.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TEST_ERROR", "Arm", "Experiment", "Setting"]

TEST_ERROR = {"test_error": "test error (%)"}
"""The metric that every experiment has, and its label."""


@dataclass(frozen=True)
class Setting:
    """The choices of the user; an experiment derives its arms from them."""

    recipe: Recipe
    num_images: int  # training images
    backends: Sequence[str]  # chosen by ``Experiment.backends``


@dataclass(frozen=True)
class Experiment:
    """One experiment, as its module in the catalogue defines it.

    Attributes:
        question: the question that the experiment answers, in one line.
        arms: returns the trainings to compare, given the user's choices.
        baseline: the entry of the table with which all others are compared.
        draw: draws the figure.
        conclude: writes a few sentences that follow from the numbers.
        metrics: the compared quantities, each with its label and unit.
        backends: returns the backends to train on, given the user's backend and all usable ones;
            by default only the user's backend.
        baseline_of: returns the baseline of an entry, if entries have different baselines;
            ``baseline`` is then only the label in the table.
        measure: returns further measurements of a run, beside ``test_error`` (%) and
            ``train_loss`` (nats); it is called in the run's worker.
        each_epoch: measure after every epoch, not only after the last.
        compared: returns the entries of the table for a metric, each of shape (seeds,); by default
            these are the arms' values after the last epoch.
    """

    question: str
    arms: Callable[[Setting], list[Arm]]
    baseline: str
    draw: Callable[[Results], Figure]
    conclude: Callable[[Results], str]
    metrics: Mapping[str, str]
    backends: Callable[[str, Sequence[str]], list[str]] | None = None
    baseline_of: Callable[[str], str] | None = None
    measure: Callable[[Run, Dataset], dict[str, Any]] | None = None
    each_epoch: bool = False
    compared: Callable[[Results, str], Entries] | None = None

    def baselines(self, entries: Entries) -> dict[str, str]:
        """Return the name of each entry's baseline."""
        if self.baseline_of is None:
            return dict.fromkeys(entries, self.baseline)
        return {name: self.baseline_of(name) for name in entries}

    def entries(self, results: Results, metric: str) -> Entries:
        """Return the entries of the table for a metric, each of shape (seeds,)."""
        if self.compared:
            return self.compared(results, metric)
        return {name: results.last(name, metric) for name in results.names}

    def conclusion(self, results: Results) -> str:
        """Return what follows from the numbers, and which runs are left out."""
        return " ".join(filter(None, [self.conclude(results), left_out(results)]))
