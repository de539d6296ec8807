"""The checked arguments of a comparison, and the runs that its folder already holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from d2ldrop.comparison.checks import Check
from d2ldrop.comparison.kept_results import KeptResults, installed_versions, kept_results
from d2ldrop.comparison.plan import Variant
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset
from d2ldrop.processes.launcher import Event
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.planned_run import PlannedRun
from d2ldrop.training.folder import NamedFolder, RunFolder
from d2ldrop.training.implementations import recipe_for

SPEED_DTYPE = "float32"
"""The dtype of the runs that show speed and memory, and the name of their folder."""
OnVariantEvent = Callable[[str, Event], None]
"""Called with a variant's name, "torch" or "torch-concise", and a report of its worker."""


OnSummary = Callable[[dict[str, Any]], None]
"""Called with the summary so far: before the first run, and after each variant."""


def ignore_event(name: str, event: Event) -> None:
    """Do nothing: the default of ``on_event``."""


def ignore_summary(summary: dict[str, Any]) -> None:
    """Do nothing: the default of ``on_summary``."""


@dataclass(frozen=True)
class Request:
    """The arguments of a comparison, after all checks."""

    folder: NamedFolder
    recipe: Recipe
    record: tuple[str, ...]
    on_divergence: str
    options: WorkerOptions
    resume: bool
    check: bool
    on_event: OnVariantEvent
    speed_epochs: int = 0
    on_summary: OnSummary = ignore_summary
    each: Mapping[str, WorkerOptions] = field(default_factory=dict)  # by backend, after ``settle``

    def identity(self, data: Dataset | None) -> dict[str, Any]:
        """The fields that decide the comparison's results; without ``data``, those known so far."""
        values: dict[str, Any] = {
            "recipe": self.recipe.to_dict(),
            "speed_epochs": self.speed_epochs,
            "record": list(self.record),
            "on_divergence": self.on_divergence,
            "device": self.options.device,
            "threads": self.options.threads,
            "execution": self.options.execution,
        }
        if data is not None:
            values |= data.identity
        return values

    def refuse_other_runs(self, variants: Sequence[Variant], data: Dataset | None = None) -> None:
        """Raise ValueError if the folder holds another comparison, or another run of a variant."""
        self.folder.refuse_other(self.identity(data))
        for variant in variants:
            for run in self.planned_runs(variant):
                run.refuse_other(data)

    def kept(self, variants: Sequence[Variant], checks: Sequence[Check]) -> KeptResults:
        """What the folder has measured already, with the frameworks that are installed here."""
        results: dict[Variant, list[dict[str, Any]]] = {}
        for variant in variants if self.resume else ():
            if self.options.python(variant.backend) == sys.executable:
                here = installed_versions(variant.backend)
                runs = [run.folder for run in self.planned_runs(variant)]
                found = [run.read_result() for run in runs if run.result.exists()]
                if len(found) == len(runs) and all(
                    result["framework_version"] in here for result in found
                ):
                    results[variant] = found
        return kept_results(self.folder.read(), checks, results)

    def planned_runs(self, variant: Variant) -> list[PlannedRun]:
        """The training of a variant, and the run that shows its speed, if there is one."""
        speed = self.speed_run(variant)
        return [self.planned_run(variant), *([speed] if speed else [])]

    def planned_run(self, variant: Variant) -> PlannedRun:
        """The training of a variant."""
        return PlannedRun(
            variant.backend,
            variant.implementation,
            recipe_for(variant.backend, self.recipe, variant.implementation),
            self.record,
            self.each[variant.backend],
            self.folder.backend(variant.name),
            self.on_divergence,
        )

    def speed_run(self, variant: Variant) -> PlannedRun | None:
        """The short run in float32 that shows the variant's speed and memory."""
        if not self.speed_epochs:
            return None
        run = self.planned_run(variant)
        epochs = min(self.speed_epochs, self.recipe.num_epochs)
        recipe = replace(run.recipe, dtype=SPEED_DTYPE, num_epochs=epochs)
        folder = RunFolder(self.folder.path / SPEED_DTYPE / variant.name)
        return replace(run, recipe=recipe, record=(), folder=folder, phase="speed")
