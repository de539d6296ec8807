"""The lockstep checks of a comparison: they measure how far a training differs from NumPy's.

Training amplifies rounding by an amount that depends on the seed, so no fixed tolerance is right.
The yardstick compares NumPy with itself: NumPy runs again with initial weights that are changed
("nudged") by about one rounding error.

``checks`` plans the steps of the checks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from d2ldrop.comparison.plan import Variant
from d2ldrop.core.arrays import Weights
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
