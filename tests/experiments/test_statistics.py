"""Estimates and paired tests equal SciPy's, and Holm's correction is right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from d2ldrop.experiments.engine.statistics import (
    compare_entries,
    estimate,
    holm,
    number,
    paired_p,
)


def test_an_interval_is_based_on_the_t_distribution() -> None:
    values = np.array([10.0, 12.0, 11.0, 15.0])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = estimate(values)
    assert found.mean == 12
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert str(estimate(values[:1])) == "10.00"


def test_differences_are_paired_by_seed() -> None:
    seeds = np.array([1.0, 5.0, 9.0, 14.0])  # far apart, so only a paired test sees the differences
    entries = {
        "a": seeds,
        "b": seeds + np.array([0.5, 0.6, 0.4, 0.5]),
        "c": seeds + np.array([9.0, -9.0, 7.0, -7.0]),
    }
    found = compare_entries(entries, dict.fromkeys(entries, "a"))
    assert found["a"].p is None
    assert found["a"].difference is None
    assert found["b"].significant
    assert not found["c"].significant
    raw = [stats.ttest_rel(entries[name], seeds).pvalue for name in "bc"]
    assert found["b"].p == pytest.approx(2 * raw[0])
    assert found["c"].p == pytest.approx(raw[1])


def test_a_difference_is_the_entry_minus_the_baseline() -> None:
    entries = {"low": np.array([9.0, 10.0]), "high": np.array([11.0, 13.0])}
    found = compare_entries(entries, dict.fromkeys(entries, "high"))["low"].difference
    assert found is not None
    assert found.mean == -2.5


def test_there_is_no_test_without_spread() -> None:
    same = np.array([1.0, 2.0, 3.0], np.float64)
    assert paired_p(same, same) is None
    assert paired_p(same + 0.1, same) is None  # the differences are equal up to rounding
    assert paired_p(same[:1], same[:1]) is None


def test_holm_gives_the_values_of_a_known_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (11.874, "11.87"),
        (-0.5, "-0.50"),
        (0.0123, "0.012"),
        (3e-9, "3e-09"),
        (-8.6e48, "-8.6e+48"),
    ],
)
def test_numbers_have_few_digits(value: float, text: str) -> None:
    assert number(value) == text
