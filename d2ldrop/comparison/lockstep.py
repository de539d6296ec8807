"""The lockstep checks of a comparison: they measure how far a training differs from NumPy's.

Training amplifies rounding by an amount that depends on the seed, so no fixed tolerance is right.
The yardstick compares NumPy with itself: NumPy runs again with initial weights that are changed
("nudged") by about one rounding error.

This module plans the steps and compares what they write. ``lockstep_jobs`` makes jobs of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.seen import diverged_after, faults_after, reference, seen, seen_in_run
from d2ldrop.core.arrays import Weights
from d2ldrop.core.recipe import Recipe
from d2ldrop.processes.jobs import LockstepSteps
from d2ldrop.training.observed import Observed
from d2ldrop.training.quantities import (
    FACTOR,
    FLOOR,
    LIMIT,
    Difference,
    Moment,
    Quantity,
    Reference,
)
from d2ldrop.training.saved_arrays import load_weights
from d2ldrop.training.short_training import SHORT_STEPS, described, short_recipe

REFERENCE = Variant("numpy")
NUM_NUDGES = 3
FIRST_STEPS, FIRST_STEPS_WITHOUT_NOISE = "first steps", "first steps without noise"
WHOLE_RUN = "whole run"
SHORT = "short training: "
"""Before the names of the quantities of the short training."""


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
    """Whether trainings are in lockstep with NumPy's after ``steps`` steps in float64.

    A variant is in lockstep if every weight differs from NumPy's by at most ten times the
    yardstick, and by at most 1e-8, and if it differs nowhere else by more than the limits of
    ``quantities``. If NumPy diverges, there are no weights to compare: then a variant is in
    lockstep if it diverges after as many steps as NumPy or NumPy's nudged runs.

    Attributes:
        what: "first steps", "first steps without noise" or "whole run".
        steps: number of steps.
        variants: the names of the variants that are checked.
        yardstick: NumPy's difference from its own nudged runs; infinite if one of these diverged,
            NaN if NumPy itself diverged.
        differences: the largest difference from NumPy of each variant measured so far.
        diverged_after: the number of steps after which each of these variants diverged, or None.
        numpy_diverged_after: the same of NumPy's run, then of its nudged runs.
        quantities: what else is compared, by name: "loss", "logits" and so on.
        differs_first: where each of these variants differs first by more than the limits allow, as
            the end of a sentence; None: nowhere.
    """

    what: str
    steps: int
    variants: tuple[str, ...]
    yardstick: float
    differences: dict[str, float] = field(default_factory=dict)
    diverged_after: dict[str, int | None] = field(default_factory=dict)
    numpy_diverged_after: tuple[int | None, ...] = (None,)
    quantities: dict[str, Quantity] = field(default_factory=dict)
    differs_first: dict[str, str | None] = field(default_factory=dict)

    @property
    def limit(self) -> float:
        """The largest difference of a weight that counts as in lockstep."""
        return min(FACTOR * self.yardstick, LIMIT)

    def holds(self, variant: str) -> bool:
        """Whether the variant is in lockstep; False if its difference is NaN or not measured."""
        if self.differs_first.get(variant) is not None:
            return False
        if self.numpy_diverged_after[0] is not None:
            steps = self.diverged_after.get(variant)
            expected = [n for n in self.numpy_diverged_after if n is not None]
            return steps is not None and min(expected) <= steps <= max(expected)
        return bool(self.differences.get(variant, math.nan) <= self.limit)

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
            "quantities": {name: one.to_dict() for name, one in self.quantities.items()},
            "differs_first": self.differs_first,
            "in_lockstep": {variant: self.holds(variant) for variant in self.variants},
        }

    def compare(
        self, variant: str, seen: Observed, reference: Reference, prefix: str = ""
    ) -> Difference | None:
        """Add the variant's differences; return the first one, if it is not in lockstep.

        ``prefix`` begins the names of the quantities.
        """
        apart = not prefix and not self.holds(variant)
        for name, difference in reference.differences(seen).items():
            quantity = self.quantities.get(prefix + name)
            if quantity is not None:  # the weights have their own fields
                quantity.differences[variant] = difference
                apart = apart or not difference <= quantity.limit
        if not apart:
            return None
        largest = self.differences[variant]  # of a weight, at the end
        last = Difference(Moment(self.steps, "weights"), largest, 1.0)
        return reference.first_difference(seen) or last


@dataclass(frozen=True)
class Check:
    """One planned check: NumPy and ``variants`` take the same steps, in float64.

    Before a run they also take the steps of a short training, which shows more faults.
    """

    what: str
    recipe: Recipe
    num_steps: int
    variants: tuple[Variant, ...]

    def steps(self, folder: Path, variant: Variant) -> LockstepSteps:
        """The variant's steps; they write their weights into ``folder``."""
        return self._steps(folder, variant.name, variant.implementation, None)

    def short_steps(self, folder: Path, variant: Variant) -> LockstepSteps:
        """The variant's steps of the short training."""
        return self._short(self.steps(folder, variant))

    def reference_steps(self, folder: Path) -> list[LockstepSteps]:
        """NumPy's own steps: first without a nudge, then with each nudge."""
        return [
            self._steps(folder, f"reference-{nudge}", REFERENCE.implementation, nudge)
            for nudge in (None, *range(NUM_NUDGES))
        ]

    def short_reference_steps(self, folder: Path) -> list[LockstepSteps]:
        """NumPy's own steps of the short training; a whole run has none."""
        if self.what == WHOLE_RUN:
            return []
        return [self._short(steps) for steps in self.reference_steps(folder)]

    def measure_yardstick(self, folder: Path) -> Lockstep:
        """The check's yardsticks, after a job has taken the reference steps.

        Raises:
            ValueError: a nudge has changed nothing, so there is no yardstick.
        """
        runs = self.reference_steps(folder)
        diverged = tuple(diverged_after(run) for run in runs)
        if diverged[0] is not None:
            size = math.nan
        elif any(steps is not None for steps in diverged):
            size = math.inf
        else:
            size = _yardstick(runs)
        names = tuple(variant.name for variant in self.variants)
        found = Lockstep(self.what, self.num_steps, names, size, numpy_diverged_after=diverged)
        if diverged[0] is None:
            found.quantities.update(reference(runs).quantities())
            del found.quantities["weights"]
        if short := self.short_reference_steps(folder):
            _yardstick(short)
            quantities = reference(short).quantities()
            found.quantities.update({SHORT + name: one for name, one in quantities.items()})
        return found

    def measure(
        self, found: Lockstep, folder: Path, variant: Variant, trained: Path, diverged: int | None
    ) -> None:
        """Add the variant's differences from NumPy to ``found``.

        ``trained`` is the file with the weights of the variant's whole run, and ``diverged`` is the
        number of steps after which that run diverged.
        """
        whole, steps = self.what == WHOLE_RUN, self.steps(folder, variant)
        diverged = diverged if whole else diverged_after(steps)
        found.diverged_after[variant.name] = diverged
        found.differences[variant.name] = math.nan
        found.differs_first[variant.name] = None
        first = None
        if diverged is None and found.numpy_diverged_after[0] is None:
            runs = self.reference_steps(folder)
            weights = load_weights(trained if whole else steps.out)
            difference = largest_difference(weights, load_weights(runs[0].out))
            found.differences[variant.name] = difference
            own = seen_in_run(trained.parent) if whole else seen(steps)
            first = found.compare(variant.name, own, reference(runs))
        faults = [first.sentence] if first else []
        if not whole:
            faults = self._short_faults(found, folder, variant, first)
        found.differs_first[variant.name] = "; ".join(faults) or None

    def _short_faults(
        self, found: Lockstep, folder: Path, variant: Variant, first: Difference | None
    ) -> list[str]:
        """The faults of the first steps, of the short training and of the layer.

        Of ``first``, the first difference in the first steps, and of that in the short training,
        only the earlier one is named.
        """
        steps = self.short_steps(folder, variant)
        numpys = reference(self.short_reference_steps(folder))
        short = found.compare(variant.name, seen(steps), numpys, SHORT)
        if short and (first is None or short.moment.step < first.moment.step):
            return [f"{short.sentence} in {described(steps.recipe)}", *faults_after(steps)]
        return [*([first.sentence] if first else []), *faults_after(steps)]

    def _steps(
        self, folder: Path, name: str, implementation: str, nudge: int | None
    ) -> LockstepSteps:
        out = folder / f"{self.what}-{name}.safetensors"
        kind = "whole" if self.what == WHOLE_RUN else "first"
        return LockstepSteps(self.recipe, self.num_steps, out, implementation, nudge, kind)

    def _short(self, steps: LockstepSteps) -> LockstepSteps:
        """The short training that belongs to these steps."""
        concise = any(variant.implementation == "concise" for variant in self.variants)
        return replace(
            steps,
            recipe=short_recipe(self.recipe.seed, "concise" if concise else "scratch"),
            num_steps=SHORT_STEPS,
            out=steps.out.with_name(f"short-{steps.out.name}"),
            kind="short",
        )


def _yardstick(runs: Sequence[LockstepSteps]) -> float:
    """The yardstick of the weights after NumPy's steps.

    Raises:
        ValueError: a nudge has changed nothing, so there is no yardstick.
    """
    plain, *moved = (load_weights(run.out) for run in runs)
    if any(largest_difference(weights, plain) == 0 for weights in moved):
        raise ValueError(
            f"the nudge of the initial weights has changed no weight after {runs[0].num_steps} "
            "steps, so nothing says how far rounding grows: has the worker ignored it?"
        )
    return yardstick(plain, moved)


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
