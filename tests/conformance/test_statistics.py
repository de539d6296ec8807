"""The statistical checks of the suite: their false alarms, and what they see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from d2ldrop.backend import concise_backend, get_backend
from d2ldrop.conformance.judge import WrongError
from d2ldrop.conformance.masks import (
    FALSE_ALARM,
    IMAGES,
    check_agreement,
    check_rate,
    step_masks,
)


def draw(seed: int, p: float, shape: tuple[int, ...] = (20_000,)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape) >= p


def test_a_rate_fails_below_the_false_alarm_rate_and_not_above() -> None:
    n, p = 100_000, 0.2
    for side in (1, -1):
        count = int(n * p)
        while stats.binomtest(count, n, p).pvalue >= FALSE_ALARM:
            count += side
        check_rate("place", "units", count - side, n, p)
        with pytest.raises(WrongError, match=r"^place: expected 20000 ± 126 units of 100000, got"):
            check_rate("place", "units", count, n, p)


@pytest.mark.parametrize(
    ("p", "count", "hint"),
    [
        (0.3, 70_000, "a mask that is inverted gives this rate"),
        (0.3, 0, "nothing is dropped"),
        (0.3, 100_000, "everything is dropped"),
        (0.0, 1, "a chance of 0"),
        (1.0, 99_999, "a chance of 0"),
    ],
)
def test_a_wrong_rate_has_a_hint(p: float, count: int, hint: str) -> None:
    with pytest.raises(WrongError, match=f"got {count}: {hint}"):
        check_rate("place", "units", count, 100_000, p)


def test_independent_masks_agree_by_chance() -> None:
    for seed in range(50):
        check_agreement("place", draw(seed, 0.3), draw(seed + 100, 0.6), 0.3, 0.6)


def test_masks_that_depend_on_each_other_fail() -> None:
    mask = draw(0, 0.5)
    for other, what in (
        (mask, "the masks are the same"),
        (~mask, "the masks are each other's opposite"),
        (np.where(draw(1, 0.9), mask, draw(2, 0.5)), "a chance of"),  # one tenth is the same
    ):
        with pytest.raises(WrongError, match=what):
            check_agreement("place", mask, other, 0.5, 0.5)


def test_the_network_shows_both_masks() -> None:
    numpy = concise_backend(get_backend("numpy"))
    numpy.manual_seed(3)
    found, _ = step_masks(numpy, (0.3, 0.6), "cpu")
    numpy.manual_seed(3)
    first, second = (
        numpy.generator.random((IMAGES, 10), dtype=np.float32) >= p  # type: ignore[attr-defined]  # of NumPy's
        for p in (0.3, 0.6)
    )
    np.testing.assert_array_equal(found.sites[1], second)
    np.testing.assert_array_equal(found.sites[0] & found.seen(0), first & second)
