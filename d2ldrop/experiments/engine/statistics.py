"""Means, confidence intervals and paired tests over seeds.

Runs of the same seed share weights, batch order and masks where possible. Arms are therefore
compared seed by seed, with Student's paired t-test. Several comparisons are corrected by Holm's
method (Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6,
1979).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from d2ldrop.experiments.engine.results import Float64

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and its 95 % confidence interval.

    Attributes:
        mean: the mean of the finite values; NaN if there are none.
        interval: None with fewer than two finite values.
        left_out: the number of values that are not finite, because a run diverged.
    """

    mean: float
    interval: tuple[float, float] | None
    left_out: int = 0

    def __str__(self) -> str:
        """Return the mean, followed by the interval in brackets if there is one."""
        text = number(self.mean)
        if self.interval is None:
            return text
        return f"{text} [{number(self.interval[0])}, {number(self.interval[1])}]"


@dataclass(frozen=True)
class ComparedEntry:
    """One entry of a table: its estimate and its difference from the baseline."""

    estimate: Estimate
    difference: Estimate | None  # entry minus baseline; None for the baseline itself
    p: float | None  # corrected p-value of the paired test; None without a test

    @property
    def significant(self) -> bool:
        """Whether the difference is significant at the level 0.05."""
        return self.p is not None and self.p < LEVEL


def number(value: float) -> str:
    """Format a number for a table: 11.87, 0.032, 1.2e-12, 8.6e+48."""
    if abs(value) >= 1e6:  # a run was about to diverge
        return f"{value:.2g}"
    return f"{value:.2f}" if value == 0 or abs(value) >= 0.1 else f"{value:.2g}"


def estimate(values: Float64) -> Estimate:
    """Return the mean of the finite ``values`` (seeds,) and the interval of Student's t."""
    finite = values[np.isfinite(values)]
    n, left_out = len(finite), len(values) - len(finite)
    mean = float(np.mean(finite)) if n else math.nan
    if n < 2:
        return Estimate(mean, None, left_out)
    from scipy import stats  # slow to import, and workers do not need it

    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * stats.sem(finite))
    return Estimate(mean, (mean - half, mean + half), left_out)


def paired_p(values: Float64, baseline: Float64) -> float | None:
    """Return the two-sided p-value of the paired t-test of two arrays (seeds,).

    Seeds for which a value is not finite are left out. Returns None with fewer than two seeds, or
    if all differences are equal up to rounding: the test needs a spread.
    """
    both = np.isfinite(values) & np.isfinite(baseline)
    values, baseline = values[both], baseline[both]
    if len(values) < 2:
        return None
    differences = values - baseline
    rounding = 1e-12 * np.abs([values, baseline]).max()
    if np.ptp(differences) <= rounding:
        return None
    from scipy import stats

    return float(stats.ttest_rel(values, baseline).pvalue)


def holm(p_values: list[float]) -> list[float]:
    """Return Holm's corrected p-values.

    The probability of at least one false positive among them stays below the level.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(factors * np.array(p_values)[order]), 1)
    return [float(p) for p in corrected]


def compare_entries(
    entries: Mapping[str, Float64], baselines: Mapping[str, str]
) -> dict[str, ComparedEntry]:
    """Compare each entry (seeds,) with its baseline; a baseline is its own baseline."""
    others = [name for name in entries if name != baselines[name]]
    raw = {name: paired_p(entries[name], entries[baselines[name]]) for name in others}
    tested = {name: p for name, p in raw.items() if p is not None}
    p_values = dict(zip(tested, holm(list(tested.values())), strict=True))
    return {
        name: ComparedEntry(
            estimate(values),
            estimate(values - entries[baselines[name]]) if name in others else None,
            p_values.get(name),
        )
        for name, values in entries.items()
    }
