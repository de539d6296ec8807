"""Drawing what experiments found: means over seeds, and 95 % intervals if there are several.

Colours are Okabe and Ito's; line styles and markers tell the lines apart in grey too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from d2ldrop.comparison.curves import COLOURS, MARKERS, STYLES
from d2ldrop.experiments.engine.experiment import TEST_ERROR, Float64, Results
from d2ldrop.experiments.engine.statistics import estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(count: int, height: float = 4.0) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side."""
    from matplotlib.figure import Figure  # takes a while, and workers do not draw

    figure = Figure(figsize=(5.2 * count, height), layout="constrained")
    return figure, list(np.ravel(figure.subplots(1, count)))


def style(index: int) -> dict[str, Any]:
    """Colour, line style and marker of a line."""
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
    """A line for each entry (seeds, points), its interval as a band."""
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
        bands = [one.interval for one in estimates if one.interval]
        if bands:
            low, high = zip(*bands, strict=True)
            axes.fill_between(points, low, high, color=look["color"], alpha=0.15, linewidth=0)
    if log:
        axes.set_xscale("log")
    elif x is None:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if "(%)" in ylabel:  # an interval of few seeds can go beyond what there is
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, 0), min(top, 100))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def metric_curves(results: Results, labels: Mapping[str, str]) -> Figure:
    """A panel for each metric, over the epochs; a line an arm."""
    figure, all_axes = panels(len(labels))
    for axes, (key, label) in zip(all_axes, labels.items(), strict=True):
        curves(axes, {name: results.curve(name, key) for name in results.names}, ylabel=label)
    return figure


def error_dots(results: Results) -> Figure:
    """A dot and its interval for each arm, from the top down; the seeds in grey."""
    figure, (axes,) = panels(1, height=1.2 + 0.4 * len(results.arms))
    for row, values in enumerate(results.test_errors.values()):
        found = estimate(values)
        axes.plot(values, np.full(len(values), row), "|", color="#999999", markersize=8)
        if found.interval:
            axes.plot(found.interval, [row, row], color=COLOURS[0], linewidth=1.5)
        axes.plot(found.mean, row, "o", color=COLOURS[0], markersize=6)
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
    """A table of means (rows, columns) with its numbers written in it."""
    image = axes.imshow(means, cmap="cividis")
    middle = (means.min() + means.max()) / 2
    for (i, j), value in np.ndenumerate(means):
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", color="wk"[int(value > middle)])
    axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
    axes.set_yticks(range(len(rows)), [f"{value:g}" for value in rows])
    axes.set(xlabel=xlabel, ylabel=ylabel)
    figure = axes.figure
    assert figure is not None
    figure.colorbar(image, ax=axes, label=label)
