"""The lockstep checks of a comparison: they measure how far weights differ from NumPy's weights.

Training amplifies rounding by an amount that depends on the seed, so no fixed tolerance is right.
The yardstick compares NumPy with itself: NumPy runs again with initial weights that are changed
("nudged") by about one rounding error.

This module plans the steps as jobs and compares the resulting weights. It starts no process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from d2ldrop.comparison.plan import Variant
from d2ldrop.core.arrays import Weights
from d2ldrop.core.files import read_json
from d2ldrop.core.recipe import Recipe
from d2ldrop.processes.jobs import LockstepJob, LockstepSteps
from d2ldrop.processes.shared_data import SharedData
from d2ldrop.training.saved_arrays import load_weights

REFERENCE = Variant("numpy")
NUM_NUDGES = 3
FLOOR = 1e-14
"""Added to the yardstick, so that it is never below the rounding error of one weight."""
FACTOR = 10
LIMIT = 1e-8
FIRST_STEPS, FIRST_STEPS_WITHOUT_NOISE = "first steps", "first steps without noise"
WHOLE_RUN = "whole run"


def largest_difference(weights: Weights, others: Weights) -> float:
    """The largest absolute difference of any weight; NaN if any weight is not finite.

    Raises:
        ValueError: names or shapes differ.
    """
    shapes, other_shapes = ({k: v.shape for k, v in w.items()} for w in (weights, others))
    if shapes != other_shapes:
        raise ValueError(f"weights of different shapes: {shapes} and {other_shapes}")
    with np.errstate(invalid="ignore"):  # inf - inf gives NaN, as intended
        differences = [np.subtract(weights[k], others[k], dtype=np.float64) for k in weights]
    largest = np.max([np.max(np.abs(d), initial=0.0) for d in differences])
    return float(largest) if np.isfinite(largest) else float("nan")


def yardstick(reference: Weights, nudged: Iterable[Weights]) -> float:
    """NumPy's largest difference from its own nudged runs, plus FLOOR."""
    return float(np.max([largest_difference(weights, reference) for weights in nudged])) + FLOOR


@dataclass(frozen=True)
class Lockstep:
    """Whether weights are in lockstep with NumPy's after ``steps`` steps in float64.

    A variant is in lockstep if every weight differs from NumPy's by at most ten times the
    yardstick, and by at most 1e-8. If NumPy diverges, there are no weights to compare: then a
    variant is in lockstep if it diverges after as many steps as NumPy or NumPy's nudged runs.

    Attributes:
        what: "first steps", "first steps without noise" or "whole run".
        steps: number of steps.
        variants: the names of the variants that are checked.
        yardstick: NumPy's difference from its own nudged runs; infinite if one of these diverged,
            NaN if NumPy itself diverged.
        differences: the largest difference from NumPy of each variant measured so far.
        diverged_after: the number of steps after which each of these variants diverged, or None.
        numpy_diverged_after: the same of NumPy's run, then of its nudged runs.
    """

    what: str
    steps: int
    variants: tuple[str, ...]
    yardstick: float
    differences: dict[str, float] = field(default_factory=dict)
    diverged_after: dict[str, int | None] = field(default_factory=dict)
    numpy_diverged_after: tuple[int | None, ...] = (None,)

    @property
    def limit(self) -> float:
        """The largest difference that counts as in lockstep."""
        return min(FACTOR * self.yardstick, LIMIT)

    def holds(self, variant: str) -> bool:
        """Whether the variant is in lockstep; False if its difference is NaN or not measured."""
        if self.numpy_diverged_after[0] is not None:
            steps = self.diverged_after.get(variant)
            expected = [n for n in self.numpy_diverged_after if n is not None]
            return steps is not None and min(expected) <= steps <= max(expected)
        return bool(self.differences.get(variant, float("nan")) <= self.limit)

    def to_dict(self) -> dict[str, Any]:
        """The check as ``summary.json`` holds it."""
        return {
            "what": self.what,
            "steps": self.steps,
            "yardstick": self.yardstick,
            "limit": self.limit,
            "difference": self.differences,
            "diverged_after": self.diverged_after,
            "numpy_diverged_after": self.numpy_diverged_after[0],
            "in_lockstep": {variant: self.holds(variant) for variant in self.variants},
        }


@dataclass(frozen=True)
class Check:
    """One planned check: NumPy and ``variants`` take the same steps, in float64."""

    what: str
    recipe: Recipe
    num_steps: int
    variants: tuple[Variant, ...]

    def steps(self, folder: Path, variant: Variant) -> LockstepSteps:
        """The variant's steps; they write their weights into ``folder``."""
        return self._steps(folder, variant.name, variant.implementation, None)

    def reference_steps(self, folder: Path) -> list[LockstepSteps]:
        """NumPy's own steps: first without a nudge, then with each nudge."""
        return [
            self._steps(folder, f"reference-{nudge}", REFERENCE.implementation, nudge)
            for nudge in (None, *range(NUM_NUDGES))
        ]

    def measure_yardstick(self, folder: Path) -> Lockstep:
        """The check's yardstick, after a job has taken the reference steps."""
        runs = self.reference_steps(folder)
        diverged = tuple(_diverged_after(run) for run in runs)
        if diverged[0] is not None:
            size = math.nan
        elif any(steps is not None for steps in diverged):
            size = math.inf
        else:
            reference, *moved = (load_weights(run.out) for run in runs)
            size = yardstick(reference, moved)
        names = tuple(variant.name for variant in self.variants)
        return Lockstep(self.what, self.num_steps, names, size, numpy_diverged_after=diverged)

    def measure(
        self, found: Lockstep, folder: Path, variant: Variant, trained: Path, diverged: int | None
    ) -> None:
        """Add the variant's difference from NumPy to ``found``.

        ``trained`` is the file with the weights of the variant's whole run, and ``diverged`` is the
        number of steps after which that run diverged.
        """
        file = trained
        if self.what != WHOLE_RUN:
            steps = self.steps(folder, variant)
            file, diverged = steps.out, _diverged_after(steps)
        found.diverged_after[variant.name] = diverged
        found.differences[variant.name] = math.nan
        if diverged is None and found.numpy_diverged_after[0] is None:
            reference = load_weights(self.reference_steps(folder)[0].out)
            found.differences[variant.name] = largest_difference(load_weights(file), reference)

    def _steps(
        self, folder: Path, name: str, implementation: str, nudge: int | None
    ) -> LockstepSteps:
        out = folder / f"{self.what}-{name}.safetensors"
        return LockstepSteps(self.recipe, self.num_steps, out, implementation, nudge)


def _diverged_after(steps: LockstepSteps) -> int | None:
    """The number of steps after which these steps diverged, as their job has written it."""
    number: int | None = read_json(steps.divergence)["diverged_after"]
    return number


def plan_checks(recipe: Recipe, variants: Sequence[Variant], first: int, whole: int) -> list[Check]:
    """The checks of a comparison: the ``first`` steps, and in float64 also all ``whole`` steps.

    Concise versions draw their own masks, so they are compared without noise.
    """
    shared = replace(recipe, dtype="float64", rng="shared")
    quiet = replace(shared, noise="none", input_dropout=0.0, scaling="inverted")
    scratch = tuple(one for one in variants if one.implementation == "scratch")
    concise = tuple(one for one in variants if one.implementation == "concise")
    checks = []
    if scratch:
        checks.append(Check(FIRST_STEPS, shared, first, scratch))
    if concise:
        checks.append(Check(FIRST_STEPS_WITHOUT_NOISE, quiet, first, concise))
    if scratch and recipe == shared:
        checks.append(Check(WHOLE_RUN, shared, whole, scratch))
    return checks


def reference_job(checks: Sequence[Check], shared: SharedData, folder: Path) -> LockstepJob:
    """NumPy's own steps of all checks; it always runs on the CPU."""
    steps = [steps for check in checks for steps in check.reference_steps(folder)]
    return LockstepJob(REFERENCE.backend, shared, tuple(steps))


def first_steps_job(
    variant: Variant, checks: Sequence[Check], shared: SharedData, folder: Path, device: str
) -> LockstepJob:
    """The variant's steps of all checks except "whole run", whose steps are the training itself."""
    mine = [one for one in checks if variant in one.variants and one.what != WHOLE_RUN]
    steps = tuple(check.steps(folder, variant) for check in mine)
    return LockstepJob(variant.backend, shared, steps, device)


def diverged_unlike_numpy(rows: Mapping[str, Mapping[str, Any]], recipe: Recipe) -> list[str]:
    """The variants whose training diverged although NumPy's did not, or the other way round.

    In float32 the numbers of steps may differ, because rounding errors grow. Only variants from
    scratch with shared masks are judged: the others draw masks of their own.

    Args:
        rows: the entries of the summary.
        recipe: the hyper-parameters.
    """
    numpy = rows.get(REFERENCE.name, {})
    if recipe.rng != "shared" or numpy.get("status") != "ok":
        return []
    return [
        name
        for name, row in rows.items()
        if row["status"] == "ok"
        and Variant.named(name).implementation == REFERENCE.implementation
        and (row["diverged_after"] is None) != (numpy["diverged_after"] is None)
    ]
