"""How what a training shows differs from NumPy's: by how much, and where first.

Each quantity, such as the loss, has its own yardstick, as the weights have: the largest difference
between NumPy and NumPy after a nudge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from d2ldrop.training.observed import Observed

FLOOR = 1e-14
"""Added to the yardstick, so that it is never below the rounding error of one number."""
FACTOR = 10
LIMIT = 1e-8
"""The largest difference of a weight that a yardstick may allow."""
LIMIT_OF_OTHERS = 1e-6
"""The same for all other quantities, relative to NumPy's largest number. Trained weights of 1 move
logits by about a hundred times their own difference."""
ORDER = ("logits", "loss", "weights", "predictions", "right")
"""The quantities, in the order in which a training computes them."""
NAMES = {"right": "test accuracy"}
TIES = 2
"""The number of test images that may always be classified differently: those with two classes
that are equally likely, up to rounding."""
FLOAT32 = (1e-10, 1e-6)
"""The relative differences that suggest rounding to float32."""


class Moment(NamedTuple):
    """A place in a training.

    Attributes:
        step: counted from 1; infinite at the end of the training.
        place: "loss", "W1" and so on.
    """

    step: float
    place: str

    @property
    def quantity(self) -> str:
        """One of ORDER."""
        return self.place if self.place in ORDER else "weights"

    @property
    def time(self) -> tuple[float, int]:
        """The key that sorts moments by time."""
        return self.step, ORDER.index(self.quantity)


class Difference(NamedTuple):
    """A difference from NumPy that is too large.

    Attributes:
        moment: where it is.
        size: its absolute value; NaN if a number is not finite.
        scale: the largest number that NumPy has there.
    """

    moment: Moment
    size: float
    scale: float

    @property
    def sentence(self) -> str:
        """Where and how large it is, as the end of a sentence."""
        step, place = self.moment
        where = {
            "predictions": "in the predictions on test images",
            "right": "in the test accuracy",
        }.get(place, f"first at step {step} in {_with_article(place)}")
        if math.isnan(self.size):
            return f"differs {where}: a number is not finite"
        relative = self.size / max(self.scale, self.size)
        hint = " (float32?)" if FLOAT32[0] < relative < FLOAT32[1] else ""
        return f"differs {where} by {self.size:.2g}{hint}"


@dataclass
class Quantity:
    """How far one quantity of each variant is from NumPy's.

    Attributes:
        yardstick: NumPy's largest difference from its own nudged runs.
        limit: the largest difference that counts as in lockstep.
        differences: the largest difference of each variant measured so far.
    """

    yardstick: float
    limit: float
    differences: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The quantity as ``summary.json`` holds it."""
        values = {"yardstick": self.yardstick, "limit": self.limit}
        return {**values, "difference": self.differences}


class Reference:
    """NumPy's training, and the same after each nudge.

    A moment that a nudged training does not reach, because it has diverged, has an infinite
    yardstick.
    """

    def __init__(self, plain: Observed, nudged: Sequence[Observed]) -> None:
        self.plain = plain
        self._sizes = {moment: _largest(values) for moment, values in _moments(plain)}
        moved = [_gaps(one, plain) for one in nudged]
        self._yardsticks = {
            moment: max(math.inf if math.isnan(gap[moment]) else gap[moment] for gap in moved)
            for moment in self._sizes
        }

    def quantities(self) -> dict[str, Quantity]:
        """The yardstick and the limit of each quantity."""
        found = {}
        for name in ORDER:
            moments = [moment for moment in self._sizes if moment.quantity == name]
            if moments:
                size = max(self._sizes[moment] for moment in moments)
                yardstick = max(self._yardsticks[moment] for moment in moments)
                limit = self._limit(name, yardstick, size)
                found[NAMES.get(name, name)] = Quantity(yardstick, limit)
        return found

    def differences(self, found: Observed) -> dict[str, float]:
        """The largest difference of each quantity of ``found``; NaN if a number is not finite.

        Raises:
            ValueError: the shapes differ from NumPy's.
        """
        largest: dict[str, float] = {}
        for moment, gap in _gaps(found, self.plain).items():
            name = NAMES.get(moment.quantity, moment.quantity)
            largest[name] = float(np.maximum(largest.get(name, 0.0), gap))  # NaN stays NaN
        return largest

    def first_difference(self, found: Observed) -> Difference | None:
        """The first difference of ``found`` that the yardstick of the moments so far forbids.

        None: there is none. Of several parameters, the one that differs most is named.
        """
        gaps = _gaps(found, self.plain)
        yardsticks: dict[str, float] = dict.fromkeys(ORDER, 0.0)
        sizes = yardsticks.copy()
        in_time = sorted(gaps, key=lambda moment: moment.time)
        for _, group in groupby(in_time, key=lambda moment: moment.time):
            moments = list(group)
            name = moments[0].quantity
            yardsticks[name] = max(yardsticks[name], *(self._yardsticks[m] for m in moments))
            sizes[name] = max(sizes[name], *(self._sizes[m] for m in moments))
            limit = self._limit(name, yardsticks[name], sizes[name])
            apart = [moment for moment in moments if not gaps[moment] <= limit]
            if apart:
                worst = max(apart, key=lambda moment: (math.isnan(gaps[moment]), gaps[moment]))
                return Difference(worst, gaps[worst], self._sizes[worst])
        return None

    def _limit(self, name: str, yardstick: float, size: float) -> float:
        """The largest difference that counts as in lockstep; ``size``: of NumPy's numbers."""
        if name == "right":
            return yardstick + (TIES + 0.5) / len(self.plain["right"])  # 0.5: for rounding
        size = max(1.0, size)
        largest = LIMIT if name == "weights" else LIMIT_OF_OTHERS
        return min(FACTOR * (yardstick + FLOOR * size), largest * size)


def _moments(observed: Observed) -> Iterator[tuple[Moment, npt.NDArray[Any]]]:
    for name, array in observed.items():
        place, _, step = name.partition("/")
        if place == "loss":
            yield from ((Moment(i, place), loss) for i, loss in enumerate(array, 1))
        elif place == "right":
            yield Moment(math.inf, place), np.array(np.mean(array))
        else:
            yield Moment(int(step) if step else math.inf, place), array


def _gaps(found: Observed, reference: Observed) -> dict[Moment, float]:
    """The largest difference at each moment of ``reference``; NaN where ``found`` has no number.

    Raises:
        ValueError: the shapes differ.
    """
    there = dict(_moments(found))
    gaps = {}
    for moment, values in _moments(reference):
        others = there.get(moment, np.full(np.shape(values), math.nan))
        if np.shape(others) != np.shape(values):
            raise ValueError(
                f"{moment.place} of different shapes: {np.shape(others)} and {np.shape(values)}"
            )
        with np.errstate(invalid="ignore"):  # inf - inf gives NaN, as intended
            gap = _largest(np.subtract(others, values, dtype=np.float64))
        gaps[moment] = gap if math.isfinite(gap) else math.nan
    return gaps


def _largest(values: npt.NDArray[Any]) -> float:
    return float(np.max(np.abs(values), initial=0.0))


def _with_article(place: str) -> str:
    """The words "the loss", but "b3"."""
    return f"the {place}" if place in ORDER else place
