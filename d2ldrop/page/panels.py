"""What each chart of a comparison shows: panels of lines or bars, without any drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from d2ldrop.comparison.lockstep import REFERENCE, WHOLE_RUN
from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.table import or_nan
from d2ldrop.frameworks import title
from d2ldrop.page.chart_words import Text, words
from d2ldrop.page.results import ComparisonResults, TrainedRun

Values: TypeAlias = npt.NDArray[np.float64]
Runs: TypeAlias = Mapping[str, TrainedRun]

METRICS = ("train_loss", "train_accuracy", "test_accuracy")
POINTS = 300
"""More steps than these are thinned out in a chart."""
EXPLODED = 100.0
"""Nats; a network that guesses has a loss of 2.3."""
LARGEST = 1e200
"""A larger loss is drawn as one that is not finite: the axes would overflow."""


@dataclass(frozen=True)
class Series:
    """One variant: all its lines and bars look alike.

    Attributes:
        name: the variant's name.
        title: its title, for readers.
        look: the index of its framework's colour, line style, marker and hatch.
        concise: its markers are filled.
    """

    name: str
    title: str
    look: int
    concise: bool


@dataclass(frozen=True)
class Line:
    """One line of a panel.

    Attributes:
        series: whose line it is.
        dtype: of the run.
        x: epochs or steps, (points,), float64.
        y: values, (points,), float64; NaN where the run has diverged.
        width: "normal", "thin", or "turn": one of the lines that take turns with dashes.
        turn: its place among the lines that take turns, and how many these are.
    """

    series: Series
    dtype: str
    x: Values
    y: Values
    width: str = "normal"
    turn: tuple[int, int] = (0, 1)


@dataclass(frozen=True)
class Panel:
    """Lines over epochs or steps.

    Attributes:
        key: a word that is unique in the chart.
        title: the quantity and its unit.
        x_title: "epoch" or "step".
        x_labels: for each point of the longest line, its epoch, step or range of steps.
        lines: the lines.
        scales: of the y axis: "linear", "log"; the first is the default.
        yardstick: a horizontal line at this value.
        thinned: so many steps are one point.
    """

    key: str
    title: Text
    x_title: Text
    x_labels: list[str]
    lines: tuple[Line, ...]
    scales: tuple[str, ...] = ("linear",)
    yardstick: float | None = None
    thinned: int = 1


@dataclass(frozen=True)
class Bars:
    """One bar per variant.

    Attributes:
        key: a word that is unique in the chart.
        title: the quantity and its unit.
        bars: the variants and their values.
        digits: after the decimal point.
    """

    key: str
    title: Text
    bars: tuple[tuple[Series, float], ...]
    digits: int


def all_series(summary: Mapping[str, dict[str, object]]) -> dict[str, Series]:
    """The variants of a summary; a failed one keeps its colour for itself."""
    variants = [Variant.named(name) for name in summary["backends"]]
    backends = list(dict.fromkeys(variant.backend for variant in variants))
    return {
        variant.name: Series(
            variant.name,
            title(variant.name),
            backends.index(variant.backend),
            variant.implementation != REFERENCE.implementation,
        )
        for variant in variants
    }


def dtype_of(runs: Runs) -> str:
    """The dtype of the runs, which all have the same."""
    return str(next(iter(runs.values())).result["recipe"]["dtype"])


def epochs_of(runs: Runs) -> int:
    """The number of epochs of the longest run."""
    return max(len(run.result["epochs"]) for run in runs.values())


def taking_turns(runs: Runs) -> list[str]:
    """The variants that must lie on one line: float64, from scratch, with shared masks."""
    names = [
        name
        for name, run in runs.items()
        if Variant.named(name).implementation == REFERENCE.implementation
        and (run.result["recipe"]["dtype"], run.result["recipe"]["rng"]) == ("float64", "shared")
    ]
    return names if len(names) > 1 else []


def curve_panels(results: ComparisonResults) -> list[Panel]:
    """Training loss, training accuracy and test accuracy by epoch; empty without a run."""
    if not results.runs and not results.speed_runs:
        return []
    count = max(epochs_of(runs) for runs in (results.runs, results.speed_runs) if runs)
    labels = [str(epoch) for epoch in range(1, count + 1)]
    panels = []
    for key in METRICS:
        lines = *_curves(results, results.runs, key), *_curves(results, results.speed_runs, key)
        scales = _loss_scales(lines) if key == "train_loss" else ("linear",)
        panels.append(Panel(key, words(key), words("epoch"), labels, lines, scales))
    return panels


def _loss_scales(lines: Sequence[Line]) -> tuple[str, ...]:
    """Logarithmic by default if losses have exploded: a linear axis would show only the largest."""
    values = np.concatenate([line.y for line in lines])
    values = values[np.isfinite(values)]
    exploded = values.size > 0 and values.max() > EXPLODED
    return ("log", "linear") if exploded else ("linear", "log")


def _curves(results: ComparisonResults, runs: Runs, key: str) -> list[Line]:
    series, turns = all_series(results.summary), taking_turns(runs)
    lines = []
    for name, run in runs.items():
        epochs = run.result["epochs"]
        x = np.array([epoch["epoch"] for epoch in epochs], np.float64)
        y = _finite(np.array([or_nan(epoch[key]) for epoch in epochs], np.float64))
        width, turn = "normal", (0, 1)
        if name in turns:
            width, turn = "turn", (turns.index(name), len(turns))
        elif results.runs and runs is results.speed_runs:
            width = "thin"
        lines.append(Line(series[name], run.result["recipe"]["dtype"], x, y, width, turn))
    return lines


def reference_of(runs: Runs) -> str:
    """The variant from which differences are measured: NumPy, or else the first one."""
    return REFERENCE.name if REFERENCE.name in runs else next(iter(runs))


def agreement_panels(results: ComparisonResults, points: int = POINTS) -> list[Panel]:
    """Distance of each loss from NumPy's by step, one panel per dtype; at least two runs each.

    Args:
        results: the comparison.
        points: of a line, at most. A point is the largest difference of its steps.
    """
    return [
        _differences(results, runs, key, points)
        for key, runs in (("runs", results.runs), ("speed_runs", results.speed_runs))
        if len(runs) > 1
    ]


def _differences(results: ComparisonResults, runs: Runs, key: str, points: int) -> Panel:
    series, reference = all_series(results.summary), reference_of(runs)
    steps = max(len(run.losses) for run in runs.values())
    bucket = -(-steps // points)
    lines = []
    for name, run in runs.items():
        if name != reference:
            y = _distance(run.losses, runs[reference].losses)
            starts = np.arange(0, len(y), bucket)
            x = np.minimum(starts + bucket, len(y)).astype(np.float64)
            if len(y):
                y = np.fmax.reduceat(y, starts)  # the maximum, without NaN
            lines.append(Line(series[name], dtype_of(runs), x, y))
    return Panel(
        key,
        words("difference", reference=title(reference), dtype=dtype_of(runs)),
        words("step" if bucket == 1 else "steps"),
        _ranges(steps, bucket),
        tuple(lines),
        ("log", "linear"),
        _yardstick(results) if runs is results.runs and reference == REFERENCE.name else None,
        bucket,
    )


def _distance(losses: Values, reference: Values) -> Values:
    steps = min(len(losses), len(reference))  # a diverged run may have stopped early
    with np.errstate(invalid="ignore"):
        return _finite(np.abs(losses[:steps].astype(np.float64) - reference[:steps]))


def _finite(values: Values) -> Values:
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def _ranges(steps: int, bucket: int) -> list[str]:
    if bucket == 1:
        return [str(step) for step in range(1, steps + 1)]
    return [
        f"{start + 1}–{min(start + bucket, steps)}" if start + 1 < steps else str(steps)
        for start in range(0, steps, bucket)
    ]


def _yardstick(results: ComparisonResults) -> float | None:
    for check in results.summary["lockstep"]:
        if check["what"] == WHOLE_RUN and (loss := (check.get("quantities") or {}).get("loss")):
            value = loss.get("yardstick")
            return None if value is None or abs(value) > LARGEST else float(value)
    return None


def time_bars(results: ComparisonResults) -> list[Bars]:
    """Seconds per epoch and peak memory of the speed runs, or of the runs if there are none."""
    runs = results.speed_runs or results.runs
    if not runs:
        return []
    series, dtype = all_series(results.summary), dtype_of(runs)
    seconds = [(series[name], _median_seconds(run)) for name, run in runs.items()]
    memory = [(series[name], run.result["peak_rss_bytes"] / 1e6) for name, run in runs.items()]
    return [
        Bars("seconds", words("seconds", dtype=dtype), tuple(seconds), 2),
        Bars("memory", words("memory", dtype=dtype), tuple(memory), 0),
    ]


def _median_seconds(run: TrainedRun) -> float:
    return float(np.median([epoch["seconds"] for epoch in run.result["epochs"]]))


def diverged(lines: Sequence[Line]) -> bool:
    """Whether a value of a line is not finite."""
    return any(np.isnan(line.y).any() for line in lines)
