"""The jobs of a comparison: NumPy's reference steps, and what each variant does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from d2ldrop.comparison.checks import Check
from d2ldrop.comparison.lockstep import REFERENCE, WHOLE_RUN
from d2ldrop.comparison.plan import Variant
from d2ldrop.processes.jobs import Emit, Job, LockstepJob, TrainJob
from d2ldrop.processes.shared_data import SharedData


def reference_job(checks: Sequence[Check], shared: SharedData, folder: Path) -> LockstepJob:
    """NumPy's own steps of all checks; it always runs on the CPU."""
    steps = [
        steps
        for check in checks
        for steps in (*check.reference_steps(folder), *check.short_reference_steps(folder))
    ]
    return LockstepJob(REFERENCE.backend, shared, tuple(steps))


def first_steps_job(
    variant: Variant, checks: Sequence[Check], shared: SharedData, folder: Path, device: str
) -> LockstepJob:
    """The variant's steps of all checks except "whole run", whose steps are the training itself."""
    mine = [one for one in checks if variant in one.variants and one.what != WHOLE_RUN]
    steps = [
        steps
        for check in mine
        for steps in (check.steps(folder, variant), check.short_steps(folder, variant))
    ]
    return LockstepJob(variant.backend, shared, tuple(steps), device)


@dataclass(frozen=True)
class VariantJob(Job):
    """All that one variant does, in one process: importing a framework takes seconds.

    Time and memory are measured first, so ``speed`` comes before ``training``, and both come before
    the steps of the lockstep checks.
    """

    training: TrainJob
    steps: LockstepJob
    speed: TrainJob | None = None

    def run(self, emit: Emit) -> None:
        """Do the jobs one after another."""
        for job in (self.speed, self.training, self.steps):
            if job is not None:
                job.run(emit)
