"""Figures of results: means over seeds, with 95 % intervals if there are several seeds.

The colours are for colour-blind readers, too. Line styles and markers differ, for grey print.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from d2ldrop.comparison.looks import COLOURS, MARKERS, STYLES
from d2ldrop.experiments.engine.definition import TEST_ERROR
from d2ldrop.experiments.engine.results import Float64, Results
from d2ldrop.experiments.engine.statistics import estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DIVERGED = "diverged"
"""Stands in a figure in place of a mean, if all runs diverged."""


def panels(count: int, height: float = 4.0) -> tuple[Figure, list[Axes]]:
    """Return a figure with ``count`` panels side by side, and its axes."""
    from matplotlib.figure import Figure  # slow to import, and workers do not draw

    figure = Figure(figsize=(5.2 * count, height), layout="constrained")
    return figure, list(np.ravel(figure.subplots(1, count)))


def style(index: int) -> dict[str, Any]:
    """Return colour, line style and marker of the line ``index``."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": STYLES[index % len(STYLES)],
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 4,
        "markerfacecolor": "none",
    }


def curves(
    axes: Axes,
    lines: Mapping[str, Float64],
    x: Sequence[float] | None = None,
    *,
    xlabel: str = "epoch",
    ylabel: str,
    log: bool = False,
) -> None:
    """Draw the mean of each entry (seeds, points) as a line, and its interval as a band."""
    for index, (name, values) in enumerate(lines.items()):
        points = range(1, values.shape[1] + 1) if x is None else x
        estimates = [estimate(column) for column in values.T]
        look = style(index)
        axes.plot(
            points,
            [one.mean for one in estimates],
            label=name,
            markevery=max(1, values.shape[1] // 10),
            **look,
        )
        bands = [
            (at, *one.interval) for at, one in zip(points, estimates, strict=True) if one.interval
        ]
        if bands:
            places, low, high = zip(*bands, strict=True)
            axes.fill_between(places, low, high, color=look["color"], alpha=0.15, linewidth=0)
    if log:
        axes.set_xscale("log")
    elif x is None:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if "(%)" in ylabel:  # with few seeds, an interval can exceed 0 to 100 %
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, 0), min(top, 100))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def metric_curves(results: Results, labels: Mapping[str, str]) -> Figure:
    """Draw one panel per metric, over the epochs, with one line per arm."""
    figure, all_axes = panels(len(labels))
    for axes, (key, label) in zip(all_axes, labels.items(), strict=True):
        curves(axes, {name: results.curve(name, key) for name in results.names}, ylabel=label)
    return figure


def error_dots(results: Results) -> Figure:
    """Draw each arm's mean test error as a dot with its interval, and its seeds in grey."""
    figure, (axes,) = panels(1, height=1.2 + 0.4 * len(results.arms))
    for row, values in enumerate(results.test_errors.values()):
        arm = estimate(values)
        axes.plot(values, np.full(len(values), row), "|", color="#999999", markersize=8)
        if arm.interval:
            axes.plot(arm.interval, [row, row], color=COLOURS[0], linewidth=1.5)
        axes.plot(arm.mean, row, "o", color=COLOURS[0], markersize=6)
        if math.isnan(arm.mean):
            across = axes.get_yaxis_transform()  # x as a fraction of the axes' width
            axes.text(0.5, row, DIVERGED, transform=across, ha="center", va="center")
    axes.set_yticks(range(len(results.arms)), results.names)
    axes.set_ylim(len(results.arms) - 0.5, -0.5)
    axes.set_xlabel(f"{TEST_ERROR['test_error']}: mean, 95 % interval and | seeds")
    axes.grid(alpha=0.3, axis="x")
    return figure


def grid(
    axes: Axes,
    means: Float64,
    rows: Sequence[Any],
    columns: Sequence[Any],
    *,
    xlabel: str,
    ylabel: str,
    label: str,
) -> None:
    """Draw a grid of means (rows, columns) in colours, with the numbers in its cells.

    A mean that is NaN is a white cell that says "diverged".
    """
    finite = means[np.isfinite(means)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    image = axes.imshow(means, cmap="cividis", vmin=low, vmax=high)
    for (i, j), value in np.ndenumerate(means):
        dark = value <= (low + high) / 2  # NaN is not
        text = DIVERGED if math.isnan(value) else f"{value:.2f}"
        axes.text(j, i, text, ha="center", va="center", color="w" if dark else "k")
    axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
    axes.set_yticks(range(len(rows)), [f"{value:g}" for value in rows])
    axes.set(xlabel=xlabel, ylabel=ylabel)
    figure = axes.figure
    assert figure is not None
    figure.colorbar(image, ax=axes, label=label)
