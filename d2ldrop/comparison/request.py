"""The checked arguments of a comparison, and the runs that its folder already holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from d2ldrop.comparison.kept_results import KeptResults, installed_versions, kept_results
from d2ldrop.comparison.lockstep import Check
from d2ldrop.comparison.plan import Variant
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset
from d2ldrop.processes.launcher import Event
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.planned_run import PlannedRun
from d2ldrop.training.folder import NamedFolder
from d2ldrop.training.implementations import recipe_for

OnVariantEvent = Callable[[str, Event], None]
"""Called with a variant's name, "torch" or "torch-concise", and a report of its worker."""


def ignore_event(name: str, event: Event) -> None:
    """Do nothing: the default of ``on_event``."""


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
    each: Mapping[str, WorkerOptions] = field(default_factory=dict)  # by backend, after ``settle``

    def identity(self, data: Dataset | None) -> dict[str, Any]:
        """The fields that decide the comparison's results; without ``data``, those known so far."""
        values: dict[str, Any] = {
            "recipe": self.recipe.to_dict(),
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
            self.planned_run(variant).refuse_other(data)

    def kept(self, variants: Sequence[Variant], checks: Sequence[Check]) -> KeptResults:
        """What the folder has measured already, with the frameworks that are installed here."""
        results = {}
        for variant in variants if self.resume else ():
            folder, python = self.folder.backend(variant.name), self.options.python(variant.backend)
            if folder.result.exists() and python == sys.executable:
                result = folder.read_result()
                if result["framework_version"] in installed_versions(variant.backend):
                    results[variant] = result
        return kept_results(self.folder.read(), checks, results)

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
