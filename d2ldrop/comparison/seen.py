"""Reads what lockstep steps and finished runs show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Steps:
    """Finished steps: of a lockstep check, or of a whole run.

    Attributes:
        weights: the file with the weights at the end.
        diverged_after: the number of steps after which they diverged; None if they did not.
        source: what has taken them: the planned steps, or the folder of the run.
    """

    weights: Path
    diverged_after: int | None
    source: LockstepSteps | Path

    def seen(self) -> Observed:
        """What these steps show; without the end if they diverged.

        Raises:
            OSError, ValueError: a file is missing or damaged.
        """
        if isinstance(self.source, Path):
            return _seen_in_run(self.source)
        found: Observed = load_file(self.source.observed)
        if self.diverged_after is None:
            found |= _final(load_weights(self.weights), self.source.num_steps)
        return found


def steps_of_check(steps: LockstepSteps) -> Steps:
    """The steps that a job has taken."""
    return Steps(steps.out, read_json(steps.divergence)["diverged_after"], steps)


def steps_of_run(folder: Path) -> Steps:
    """The steps of the finished run in ``folder``."""
    run = RunFolder(folder)
    return Steps(run.weights, run.read_result().get("diverged_after"), folder)


def faults_after(steps: LockstepSteps) -> list[str]:
    """What ``layer_faults`` found after these steps."""
    faults: list[str] = read_json(steps.divergence)["faults"]
    return faults


def reference(runs: Sequence[Steps]) -> Reference:
    """NumPy's steps, and the same steps after each nudge."""
    plain, *moved = (run.seen() for run in runs)
    return Reference(plain, moved)


def _seen_in_run(folder: Path) -> Observed:
    run = RunFolder(folder).read()
    if run is None:
        raise FileNotFoundError(f"{folder} holds no run")
    images = run.identity.test_size
    right = np.arange(images) < round(run.history[-1].test_accuracy * images)  # only their number
    end = _final(run.weights, len(run.trace))
    return {"loss": run.trace, "right": right.astype(np.float64), **end}


def _final(weights: Weights, steps: int) -> Observed:
    """The final weights, named as in ``Observed``."""
    return {f"{name}/{steps}": array for name, array in weights.items()}
