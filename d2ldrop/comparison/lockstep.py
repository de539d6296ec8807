"""The lockstep checks of a comparison: which weights are compared after how many steps.

Every check has runs of NumPy's, its initial weights nudged and not, which one worker makes before
the backends' turn; their weights stay in the scratch folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from d2ldrop.comparison.agreement import NUM_NUDGES, Lockstep, largest_difference, yardstick
from d2ldrop.comparison.workplace import Row, Workplace
from d2ldrop.core.recipe import Recipe
from d2ldrop.training.folder import load_weights

REFERENCE = Row("numpy", "scratch")


@dataclass(frozen=True)
class Check:
    """Steps of a recipe, in float64 with shared noise, that ``rows`` take as NumPy does."""

    what: str
    recipe: Recipe
    steps: int
    rows: tuple[Row, ...]

    def job(self, place: Workplace, row: Row) -> dict[str, Any]:
        """The row's steps, as a worker is told: where the weights go, too."""
        return self._job(place, row, None, row.name)

    def references(self, place: Workplace) -> list[dict[str, Any]]:
        """NumPy's own steps, the first not nudged."""
        nudges = (None, *range(NUM_NUDGES))
        return [self._job(place, REFERENCE, nudge, f"reference-{nudge}") for nudge in nudges]

    def _job(self, place: Workplace, row: Row, nudge: int | None, name: str) -> dict[str, Any]:
        return {
            "recipe": self.recipe.to_dict(),
            "implementation": row.implementation,
            "steps": self.steps,
            "nudge": nudge,
            "out": str(place.scratch / f"{self.what}-{name}.safetensors"),
        }


def plan_checks(recipe: Recipe, rows: Sequence[Row], first: int, whole: int) -> list[Check]:
    """The checks of a comparison: the ``first`` steps, and all ``whole`` of a run in float64.

    The concise version draws masks of its own, so it is compared without noise.
    """
    shared = replace(recipe, dtype="float64", rng="shared")
    quiet = replace(shared, noise="none", input_dropout=0.0, scaling="inverted")
    scratch = tuple(row for row in rows if row.implementation == "scratch")
    concise = tuple(row for row in rows if row.implementation == "concise")
    checks = []
    if scratch:
        checks.append(Check("first steps", shared, first, scratch))
    if concise:
        checks.append(Check("first steps without noise", quiet, first, concise))
    if scratch and recipe == shared:
        checks.append(Check("whole run", shared, whole, scratch))
    return checks


def take_reference_steps(place: Workplace, checks: Sequence[Check]) -> list[Lockstep]:
    """NumPy's own runs, and from them the yardstick of each check.

    Raises:
        WorkerFailedError, OSError: NumPy's worker failed.
    """
    place.run(
        REFERENCE,
        log=place.folder / "lockstep.log",
        task="lockstep",
        device="cpu",
        checks=[job for check in checks for job in check.references(place)],
    )
    measured = []
    for check in checks:
        reference, *moved = (load_weights(job["out"]) for job in check.references(place))
        names = tuple(row.name for row in check.rows)
        size = yardstick(reference, moved)
        measured.append(Lockstep(check.what, check.steps, names, size, {}))
    return measured


def take_first_steps(place: Workplace, row: Row, checks: Sequence[Check], log: Path) -> None:
    """Take the row's steps of every check but the whole run's, which its training takes.

    Raises:
        WorkerFailedError, OSError: the worker failed.
    """
    jobs = [c.job(place, row) for c in checks if row in c.rows and c.what != "whole run"]
    place.run(row, log=log, task="lockstep", checks=jobs)


def difference(place: Workplace, row: Row, check: Check, trained: Path) -> float:
    """How far the row is from NumPy after the check's steps; ``trained``: the run's weights."""
    file = trained if check.what == "whole run" else Path(check.job(place, row)["out"])
    reference = load_weights(check.references(place)[0]["out"])
    return largest_difference(load_weights(file), reference)
