"""The lockstep checks of a comparison, planned: which steps are taken, and what is compared.

``lockstep_jobs`` makes jobs of the steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from d2ldrop.comparison.lockstep import (
    FIRST_STEPS,
    FIRST_STEPS_WITHOUT_NOISE,
    NUM_NUDGES,
    REFERENCE,
    SHORT,
    WHOLE_RUN,
    Lockstep,
    largest_difference,
    yardstick,
)
from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.seen import (
    Steps,
    faults_after,
    reference,
    steps_of_check,
    steps_of_run,
)
from d2ldrop.core.recipe import Recipe
from d2ldrop.processes.jobs import LockstepSteps
from d2ldrop.training.quantities import Difference
from d2ldrop.training.saved_arrays import load_weights
from d2ldrop.training.short_training import SHORT_STEPS, described, short_recipe


@dataclass(frozen=True)
class Check:
    """One planned check: NumPy and ``variants`` take the same steps, in float64.

    With the first steps of a run they also take those of a short training, which shows more faults.

    Attributes:
        what: "first steps", "first steps without noise" or "whole run".
        recipe: the hyper-parameters.
        num_steps: number of steps.
        variants: what is checked.
        numpys_run: the folder of NumPy's own finished run, if it has taken the same steps; NumPy
            then takes only the nudged ones again.
    """

    what: str
    recipe: Recipe
    num_steps: int
    variants: tuple[Variant, ...]
    numpys_run: Path | None = None

    def steps(self, folder: Path, variant: Variant) -> LockstepSteps:
        """The variant's steps; they write their weights into ``folder``."""
        return self._steps(folder, variant.name, variant.implementation, None)

    def short_steps(self, folder: Path, variant: Variant) -> LockstepSteps:
        """The variant's steps of the short training."""
        return self._short(self.steps(folder, variant))

    def reference_steps(self, folder: Path) -> list[LockstepSteps]:
        """NumPy's own steps that a job takes: first without a nudge, then with each nudge."""
        nudges = range(NUM_NUDGES)
        return [
            self._steps(folder, f"reference-{nudge}", REFERENCE.implementation, nudge)
            for nudge in (nudges if self.numpys_run else (None, *nudges))
        ]

    def short_reference_steps(self, folder: Path) -> list[LockstepSteps]:
        """NumPy's own steps of the short training; a whole run has none."""
        if self.what == WHOLE_RUN:
            return []
        return [self._short(steps) for steps in self.reference_steps(folder)]

    def reference(self, folder: Path) -> list[Steps]:
        """NumPy's finished steps: first without a nudge, then with each nudge."""
        taken = [steps_of_check(steps) for steps in self.reference_steps(folder)]
        return [steps_of_run(self.numpys_run), *taken] if self.numpys_run else taken

    def measure_yardstick(self, folder: Path) -> Lockstep:
        """The check's yardsticks, after a job has taken the reference steps.

        Raises:
            ValueError: a nudge has changed nothing, so there is no yardstick.
        """
        runs = self.reference(folder)
        diverged = tuple(run.diverged_after for run in runs)
        if diverged[0] is not None:
            size = math.nan
        elif any(steps is not None for steps in diverged):
            size = math.inf
        else:
            size = _yardstick(runs, self.num_steps)
        names = tuple(variant.name for variant in self.variants)
        found = Lockstep(self.what, self.num_steps, names, size, numpy_diverged_after=diverged)
        if diverged[0] is None:
            found.quantities.update(reference(runs).quantities())
            del found.quantities["weights"]
        if short := list(map(steps_of_check, self.short_reference_steps(folder))):
            _yardstick(short, SHORT_STEPS)
            quantities = reference(short).quantities()
            found.quantities.update({SHORT + name: one for name, one in quantities.items()})
        return found

    def measure(self, found: Lockstep, folder: Path, variant: Variant, trained: Path) -> None:
        """Add the variant's differences from NumPy to ``found``.

        ``trained`` is the folder of the variant's whole run.
        """
        whole = self.what == WHOLE_RUN
        own = steps_of_run(trained) if whole else steps_of_check(self.steps(folder, variant))
        found.diverged_after[variant.name] = own.diverged_after
        found.differences[variant.name] = math.nan
        found.differs_first[variant.name] = None
        first = None
        if own.diverged_after is None and found.numpy_diverged_after[0] is None:
            runs = self.reference(folder)
            weights, numpys = load_weights(own.weights), load_weights(runs[0].weights)
            found.differences[variant.name] = largest_difference(weights, numpys)
            first = found.compare(variant.name, own.seen(), reference(runs))
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
        numpys = reference(list(map(steps_of_check, self.short_reference_steps(folder))))
        short = found.compare(variant.name, steps_of_check(steps).seen(), numpys, SHORT)
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


def _yardstick(runs: Sequence[Steps], num_steps: int) -> float:
    """The yardstick of the weights after NumPy's steps.

    Raises:
        ValueError: a nudge has changed nothing, so there is no yardstick.
    """
    plain, *moved = (load_weights(run.weights) for run in runs)
    if any(largest_difference(weights, plain) == 0 for weights in moved):
        raise ValueError(
            f"the nudge of the initial weights has changed no weight after {num_steps} "
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
