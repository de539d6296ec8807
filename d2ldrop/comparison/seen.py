"""Reads what lockstep steps and finished runs show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from d2ldrop.core.arrays import Weights
from d2ldrop.core.files import read_json
from d2ldrop.processes.jobs import LockstepSteps
from d2ldrop.training.folder import RunFolder
from d2ldrop.training.observed import Observed
from d2ldrop.training.quantities import Reference
from d2ldrop.training.saved_arrays import load_weights


def diverged_after(steps: LockstepSteps) -> int | None:
    """The number of steps after which these steps diverged; None if they did not."""
    number: int | None = read_json(steps.divergence)["diverged_after"]
    return number


def faults_after(steps: LockstepSteps) -> list[str]:
    """What ``layer_faults`` found after these steps."""
    faults: list[str] = read_json(steps.divergence)["faults"]
    return faults


def seen(steps: LockstepSteps) -> Observed:
    """What these steps show; without the end if they diverged."""
    found: Observed = load_file(steps.observed)
    if diverged_after(steps) is None:
        found |= _final(load_weights(steps.out), steps.num_steps)
    return found


def seen_in_run(folder: Path) -> Observed:
    """What the finished run in ``folder`` shows.

    Raises:
        OSError, ValueError: a file is missing or damaged.
    """
    run = RunFolder(folder).read()
    if run is None:
        raise FileNotFoundError(f"{folder} holds no run")
    accuracy = np.array([run.history[-1].test_accuracy])
    return {"loss": run.trace, "right": accuracy, **_final(run.weights, len(run.trace))}


def reference(runs: Sequence[LockstepSteps]) -> Reference:
    """NumPy's steps, and the same steps after each nudge."""
    plain, *moved = map(seen, runs)
    return Reference(plain, moved)


def _final(weights: Weights, steps: int) -> Observed:
    """The final weights, named as in ``Observed``."""
    return {f"{name}/{steps}": array for name, array in weights.items()}
