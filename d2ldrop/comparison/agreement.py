"""How far two runs are apart, and how far apart rounding alone may take them.

Training amplifies rounding by an amount that depends on the seed, so no fixed tolerance is right.
The yardstick is NumPy against itself: what becomes of nudging its initial weights by one rounding
error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from d2ldrop.core.arrays import Weights

NUM_NUDGES = 3
FLOOR = 1e-14  # a yardstick below the rounding of a weight itself would be luck
FACTOR = 10
LIMIT = 1e-8


def largest_difference(weights: Weights, others: Weights) -> float:
    """The largest absolute difference of any weight; NaN if any weight is not finite.

    Raises:
        ValueError: the two have other names or shapes.
    """
    shapes, other_shapes = ({k: v.shape for k, v in w.items()} for w in (weights, others))
    if shapes != other_shapes:
        raise ValueError(f"weights of different shapes: {shapes} and {other_shapes}")
    with np.errstate(invalid="ignore"):  # inf - inf: NaN is the answer wanted
        differences = [np.subtract(weights[k], others[k], dtype=np.float64) for k in weights]
    largest = np.max([np.max(np.abs(d), initial=0.0) for d in differences])
    return float(largest) if np.isfinite(largest) else float("nan")


@dataclass(frozen=True)
class Lockstep:
    """Whether weights are in lockstep with NumPy's after ``steps`` steps in float64.

    In lockstep: no weight further from NumPy's than ten times the yardstick, nor than 1e-8.
    ``what`` is "first steps", "first steps without noise" or "whole run"; ``rows`` are those of the
    comparison that it concerns, the keys of ``differences`` as far as they were measured.
    """

    what: str
    steps: int
    rows: tuple[str, ...]
    yardstick: float
    differences: dict[str, float]

    @property
    def limit(self) -> float:
        """The largest difference that still counts as in lockstep."""
        return min(FACTOR * self.yardstick, LIMIT)

    def holds(self, row: str) -> bool:
        """Whether ``row`` is in lockstep; NaN is not, and neither is a row not measured."""
        return bool(self.differences.get(row, float("nan")) <= self.limit)


def yardstick(reference: Weights, nudged: Iterable[Weights]) -> float:
    """NumPy's largest difference from its own nudged runs, plus 1e-14."""
    return float(np.max([largest_difference(weights, reference) for weights in nudged])) + FLOOR
