"""Draw the panels of a chart with matplotlib, the same way for a picture file and for the page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from d2ldrop.comparison.looks import COLOURS, GREY, HATCHES, MARKERS, STYLES
from d2ldrop.page.panels import Bars, Line, Panel, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

INK = COLOURS[0]
LINE_GID = "line-"
YARDSTICK: dict[str, Any] = {"color": GREY, "linestyle": (0, (6, 3)), "linewidth": 1.0}
TURN_WIDTH, THIN_WIDTH = 4.0, 0.9  # points
TURN_DASH = 1.5  # line widths, as matplotlib wants it
SMALLEST_SPAN = 0.02
"""Of a linear axis, as a fraction of its values."""
STEPS = (1, 2, 5, 10)
"""Between the ticks of epochs or steps, times a power of ten."""
MARKS = 10
"""A line has about so many markers."""


def line_gid(index: int | str) -> str:
    """The id in the SVG of the line or bar with that index, or of the yardstick."""
    return f"{LINE_GID}{index}"


YARDSTICK_KEY = "yardstick"


def series_look(series: Series, ink: str = INK) -> dict[str, Any]:
    """Colour, line style and marker of a variant, as arguments of ``Axes.plot``."""
    colour = COLOURS[series.look % len(COLOURS)]
    return {
        "color": ink if colour == INK else colour,
        "linestyle": STYLES[series.look % len(STYLES)],
        "marker": MARKERS[series.look % len(MARKERS)],
        "markersize": 5,
        "linewidth": 1.4,
        "markerfacecolor": None if series.concise else "none",
    }


def _line_look(line: Line, index: int, ink: str) -> dict[str, Any]:
    look = series_look(line.series, ink)
    every = max(1, math.ceil(len(line.x) / MARKS))
    start = index % every
    if line.width == "thin":
        look |= {"linewidth": THIN_WIDTH, "markersize": 3}
    if line.width == "turn":
        place, count = line.turn
        if len(line.x) >= count:  # the markers take turns, too
            every, start = max(every, count), place
            look["markersize"] = 7
        else:  # too few points: one marker around the other
            look["markersize"] = 5 + 2 * (count - 1 - place)
        offset = (count - place) % count * TURN_DASH
        look |= {
            "linewidth": TURN_WIDTH,
            "linestyle": (offset, (TURN_DASH, (count - 1) * TURN_DASH)),
            "dash_capstyle": "butt",
        }
    return {**look, "markevery": (start, every)}


def draw_lines(axes: Axes, panel: Panel, scale: str, ink: str = INK) -> list[Line2D]:
    """Draw the lines of a panel.

    Args:
        axes: where to draw.
        panel: what to draw.
        scale: "linear" or "log". A logarithmic axis has a place for 0 if a value is 0.
        ink: the colour of the first framework, for the background of the picture.

    Returns:
        The artists of the lines.
    """
    artists = []
    for index, line in enumerate(panel.lines):
        look = _line_look(line, index, ink)
        artists += axes.plot(line.x, line.y, gid=line_gid(index), **look)
    if panel.yardstick is not None:
        axes.axhline(panel.yardstick, gid=line_gid(YARDSTICK_KEY), zorder=1, **YARDSTICK)
    _set_limits(axes, panel)
    if scale == "log":
        _set_log(axes, panel)
    else:
        _set_linear(axes)
    axes.grid(alpha=0.3)
    return artists


def _set_limits(axes: Axes, panel: Panel) -> None:
    """Show all epochs or steps, even those at which every run has diverged."""
    from matplotlib.ticker import MaxNLocator

    last = max((line.x[-1] for line in panel.lines if len(line.x)), default=1.0)
    margin = max(0.5 if last < 3 else 0.0, (last - 1) * 0.03)
    axes.set_xlim(1 - margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=STEPS, integer=True, min_n_ticks=1))


def _set_linear(axes: Axes) -> None:
    """Show values that are equal up to rounding as equal, instead of magnifying the rounding."""
    low, high = axes.get_ylim()
    least = SMALLEST_SPAN * max(abs(low), abs(high))
    if high - low < least:
        middle = (low + high) / 2
        axes.set_ylim(middle - least / 2, middle + least / 2)
    axes.ticklabel_format(axis="y", scilimits=(-3, 4), useOffset=False)


def _set_log(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    values = np.concatenate([line.y for line in panel.lines])
    yardstick = () if panel.yardstick is None else (panel.yardstick,)
    values = np.array([*values[np.isfinite(values)], *yardstick])
    positive = values[values > 0]
    if len(positive) == len(values) > 0:
        axes.set_yscale("log", nonpositive="mask")
        decades = math.log10(positive.max() / positive.min())
        if decades < 3:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_minor_formatter(NullFormatter())
    else:  # zero has no logarithm: the axis is linear below the smallest value
        smallest = positive.min() if len(positive) else 1e-16
        threshold = 10.0 ** math.floor(math.log10(smallest))
        axes.set_yscale("symlog", linthresh=threshold)
        top = positive.max() * 3 if len(positive) else threshold
        axes.set_ylim(-0.2 * threshold, top)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))


def power(value: float) -> str:
    """A label of a logarithmic axis: "0.5", "10⁻¹²", "2·10⁻⁵", "0"."""
    if value == 0 or 1e-3 < abs(value) < 1e4:
        return f"{value:g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if mantissa == "1" else f"{mantissa}·10{raised}"


def draw_bars(axes: Axes, panel: Bars, *, hatched: bool = True) -> None:
    """Draw one horizontal bar per variant, the first at the top, with its value at its end.

    Args:
        axes: where to draw.
        panel: what to draw.
        hatched: with hatches on light colours, for print; otherwise transparent colours.
    """
    from matplotlib.colors import to_rgb

    largest = max(value for _, value in panel.bars)
    for index, (series, value) in enumerate(panel.bars):
        colour = to_rgb(series_look(series)["color"])
        strength = 0.9 if series.concise else 0.4
        tint = [1 - strength * (1 - part) for part in colour]
        axes.barh(
            index,
            value,
            0.7,
            facecolor=tint if hatched else (*colour, strength),
            edgecolor=colour,
            hatch=HATCHES[series.look % len(HATCHES)] if hatched else "",
            gid=line_gid(index),
        )
        axes.annotate(
            f"{value:,.{panel.digits}f}",
            (value, index),
            (4, 0),
            textcoords="offset points",
            va="center",
            gid=line_gid(index),
        )
    titles = [series.title for series, _ in panel.bars]
    for tick in axes.set_yticks(range(len(panel.bars)), titles):
        tick.label1.set_parse_math(False)  # a title may contain $
    axes.set(ylim=(len(panel.bars) - 0.5, -0.5), xlim=(0, largest * 1.2 or 1))
    axes.grid(axis="x", alpha=0.3)
