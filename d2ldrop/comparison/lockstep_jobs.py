"""The lockstep checks as jobs for workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from d2ldrop.comparison.lockstep import REFERENCE, WHOLE_RUN, Check
from d2ldrop.comparison.plan import Variant
from d2ldrop.processes.jobs import LockstepJob
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
