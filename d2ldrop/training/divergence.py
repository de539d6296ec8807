"""Divergence: when a training has diverged, and what happens then.

A training has diverged after N steps if the loss of the next step is not finite. If all losses are
finite but a weight is not, it has diverged after its last step: the next loss cannot be finite.

The loss of logits that are not finite counts as NaN on every framework. (MXNet and PaddlePaddle
give some of them a finite loss.)
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.core.arrays import Weights

ON_DIVERGENCE = ("continue", "stop")
"""Continue a diverged run to its end, or stop it after the chunk of steps in which it diverged."""

no_overflow_warnings = partial(np.errstate, over="ignore", invalid="ignore", divide="ignore")
"""A context in which NumPy does not warn about overflow: the run's result reports divergence."""


def check_on_divergence(value: object) -> str:
    """Return ``value`` if it is one of ON_DIVERGENCE.

    Raises:
        ValueError: ``value`` is something else.
    """
    if not isinstance(value, str) or value not in ON_DIVERGENCE:
        raise ValueError(f"on_divergence must be one of {', '.join(ON_DIVERGENCE)}, got {value!r}")
    return value


def check_concise_lr(lr: float) -> None:
    """Raise ValueError if ``lr`` is too large for the optimisers of the frameworks.

    PyTorch and MXNet refuse such a number with an error of their own, the others take it. All of
    them are treated alike.
    """
    largest = float(np.finfo(np.float32).max)
    if lr > largest:
        raise ValueError(
            f"lr must be at most {largest:.3g}, the largest number in float32, with "
            f"implementation 'concise', whose optimisers store it in float32, got {lr}; "
            "implementation 'scratch' takes it"
        )


def losses_of_finite_logits(
    losses: npt.NDArray[np.float64], logits: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """The losses of steps (k,), but NaN where a step's logits (k, n, 10) are not all finite."""
    return np.where(np.isfinite(logits).all(axis=(1, 2)), losses, np.nan)


def steps_before_divergence(trace: npt.NDArray[np.float64], weights: Weights) -> int | None:
    """The number of steps after which a training has diverged; None if it has not.

    Args:
        trace: the loss of each step (nats), shape (steps,).
        weights: the weights after these steps.
    """
    not_finite = np.flatnonzero(~np.isfinite(trace))
    if len(not_finite):
        return int(not_finite[0])
    return None if all(map(_is_finite, weights.values())) else len(trace)


def diverged_after(steps: int) -> str:
    """The words "diverged after N steps".

    >>> diverged_after(1)
    'diverged after 1 step'
    """
    return f"diverged after {steps:,} step{'' if steps == 1 else 's'}"


def _is_finite(array: npt.NDArray[Any]) -> bool:
    return bool(np.isfinite(array).all())
