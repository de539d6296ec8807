"""The legend of a chart on the page: switches of lines, with a sample of each line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from d2ldrop.comparison.looks import GREY
from d2ldrop.page.chart_words import Text, words
from d2ldrop.page.drawing import THIN_WIDTH, TURN_WIDTH, YARDSTICK, YARDSTICK_KEY, series_look
from d2ldrop.page.inline_svg import inline_svg
from d2ldrop.page.panels import Line, Panel


@dataclass(frozen=True)
class LegendEntry:
    """One switch.

    Attributes:
        key: it switches all lines that have this key, in all charts of the page.
        label: the text.
        sample: an ``<svg>`` of a short line.
    """

    key: str
    label: Text
    sample: Markup


def line_keys(line: Line, panel: Panel) -> list[str]:
    """The legend's entries that switch a line: its variant, and its dtype if there are several."""
    several = len({one.dtype for one in panel.lines}) > 1
    return [line.series.name, f"dtype {line.dtype}"] if several else [line.series.name]


def legend_of(panels: Sequence[Panel], prefix: str) -> list[LegendEntry]:
    """The entries of a chart: variants, dtypes if a panel has several, and the yardstick.

    Args:
        panels: the panels of the chart.
        prefix: begins each id of the samples.
    """
    entries: dict[str, tuple[Text, dict[str, Any]]] = {}
    for line in (line for panel in panels for line in panel.lines):
        title = line.series.title
        entries.setdefault(line.series.name, ((title, title), series_look(line.series)))
    for panel in panels:
        dtypes = {line.dtype: line.width for line in reversed(panel.lines)}  # the first decides
        if len(dtypes) > 1:
            for dtype in sorted(dtypes, reverse=True):
                entries[f"dtype {dtype}"] = _dtype(dtype, dtypes[dtype])
        if panel.yardstick is not None:
            entries[YARDSTICK_KEY] = words("yardstick", value=panel.yardstick), YARDSTICK
    return [
        LegendEntry(key, label, _sample(look, f"{prefix}-{number}"))
        for number, (key, (label, look)) in enumerate(entries.items())
    ]


def _dtype(dtype: str, width: str) -> tuple[Text, dict[str, Any]]:
    points = {"turn": TURN_WIDTH, "thin": THIN_WIDTH}.get(width, 1.4)
    kind = {"turn": "dtype_thick", "thin": "dtype_thin"}.get(width, "dtype_only")
    return words(kind, dtype=dtype), {"color": GREY, "linewidth": points}


def _sample(look: dict[str, Any], prefix: str) -> Markup:
    from matplotlib.figure import Figure  # slow to import
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(0.5, 0.16))
    figure.add_artist(Line2D([0.02, 0.5, 0.98], [0.5] * 3, markevery=[1], **look))
    return inline_svg(figure, prefix, {"aria-hidden": "true"})
