"""Sentences state only significant differences, in the right direction."""

from __future__ import annotations

import numpy as np

from d2ldrop.experiments.engine.sentences import best, versus

SEEDS = np.array([10.0, 11.0, 12.0, 10.5])
LOWER = np.array([9.0, 9.9, 11.1, 9.5])
NOISY = np.array([13.0, 8.0, 14.0, 8.0])


def test_a_significant_difference_has_a_direction_and_an_interval() -> None:
    numbers = "(95 % interval 0.87 to 1.13, p = "
    lower = versus("new", LOWER, "old", SEEDS, "the error")
    assert lower.startswith(f"the error is 1.00 points lower for 'new' than for 'old' {numbers}")
    higher = versus("old", SEEDS, "new", LOWER, "the error", unit="")
    assert higher.startswith(f"the error is 1.00 higher for 'old' than for 'new' {numbers}")


def test_a_difference_that_is_not_significant_is_not_stated() -> None:
    assert "does not differ significantly" in versus("new", NOISY, "old", SEEDS, "the error")
    assert "no spread to test" in versus("new", SEEDS + 0.1, "old", SEEDS, "the error")


def test_lower_entries_are_better() -> None:
    entries = {"old": SEEDS, "new": LOWER, "noisy": NOISY}
    text = best(entries, "old", "error")
    assert "The lowest mean error is that of 'new'" in text
    assert "significantly better: 'new'; significantly worse: none of them" in text
    assert "better: none of them; significantly worse: 'old'" in best(entries, "new", "error")
