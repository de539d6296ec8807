"""The charts of a page: pictures, the data of their tooltips, legends, and tables of the values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from d2ldrop.comparison.lockstep import REFERENCE
from d2ldrop.frameworks import title
from d2ldrop.page.chart_legend import LegendEntry, legend_of, line_keys
from d2ldrop.page.chart_words import Text, words
from d2ldrop.page.drawing import YARDSTICK_KEY, draw_bars, draw_lines
from d2ldrop.page.inline_svg import inline_svg
from d2ldrop.page.panels import (
    Bars,
    Line,
    Panel,
    agreement_panels,
    curve_panels,
    diverged,
    dtype_of,
    epochs_of,
    reference_of,
    taking_turns,
    time_bars,
)
from d2ldrop.page.results import ComparisonResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (4.4, 3.0)  # inches: 317 by 216 units of the SVG
PLACE = (0.14, 0.09, 0.84, 0.85)  # of the axes in the figure: left, bottom, width, height
TABLE_ROWS = 20
"""A table of steps has at most so many rows."""


@dataclass(frozen=True)
class PagePanel:
    """One panel on the page.

    Attributes:
        key: unique in the page; also an id.
        title: the quantity and its unit.
        x_title: below the picture; None for bars.
        pictures: an ``<svg>`` by scale, "linear" or "log"; the first is shown first.
        data: what the script needs: "box", the axes' left, right, top and bottom in percent of the
            picture; "at", where each x is between its left and right edge, in percent; "labels" of
            each x; "x_title"; and "lines": "line" (the picture's ``data-line``), "keys" of the
            legend, "title", "values" (None where the run has diverged).
    """

    key: str
    title: Text
    x_title: Text | None
    pictures: dict[str, Markup]
    data: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """The values of a panel, for readers without a picture.

    Attributes:
        title: the quantity.
        header: the titles of the columns.
        rows: cells; the first is the row's header.
    """

    title: Text
    header: list[Text]
    rows: list[list[str]]


@dataclass(frozen=True)
class Chart:
    """One chart of the page: a few panels with a common legend.

    Attributes:
        key: "curves", "agreement" or "time"; unique in the page.
        title: of the chart.
        caption: what the lines mean.
        panels: side by side, or one below the other on a narrow screen.
        legend: switches of the lines.
        tables: all values.
    """

    key: str
    title: Text
    caption: Text
    panels: list[PagePanel]
    legend: list[LegendEntry]
    tables: list[Table]

    @property
    def words(self) -> dict[str, Text]:
        """The texts of the switches and of the tables."""
        return {key: words(key) for key in ("log", "values")}


def page_charts(results: ComparisonResults) -> list[Chart]:
    """The charts of a comparison. A chart with nothing to show is left out."""
    charts = (curves_chart(results), _agreement(results), _time(results))
    return [chart for chart in charts if chart is not None]


def curves_chart(results: ComparisonResults) -> Chart | None:
    """The curves by epoch; None without a run."""
    panels = curve_panels(results)
    return _line_chart("curves", panels, _curves_caption(results), panels) if panels else None


def _curves_caption(results: ComparisonResults) -> list[Text]:
    dtypes = {"dtype": dtype_of(results.runs or results.speed_runs)}
    if not taking_turns(results.runs):
        return [words("one_dtype", **dtypes)]
    if not results.speed_runs:
        return [words("taking_turns", **dtypes)]
    return [
        words("taking_turns", **dtypes),
        words(
            "thin_lines", dtype=dtype_of(results.speed_runs), count=epochs_of(results.speed_runs)
        ),
    ]


def _agreement(results: ComparisonResults) -> Chart | None:
    panels = agreement_panels(results)
    if not panels:
        return None
    reference = reference_of(results.runs or results.speed_runs)
    caption = [words("against", reference=title(reference))]
    if reference != REFERENCE.name:
        caption.append(words("without_numpy", reference=title(reference)))
    if any((line.y == 0).any() for panel in panels for line in panel.lines):
        caption.append(words("zero"))
    if any(panel.yardstick is not None for panel in panels):
        caption.append(words("yardstick_is"))
    if (thinned := max(panel.thinned for panel in panels)) > 1:
        caption.append(words("thinned", count=thinned))
    return _line_chart("agreement", panels, caption, agreement_panels(results, TABLE_ROWS))


def _line_chart(
    key: str, panels: Sequence[Panel], caption: list[Text], tables: Sequence[Panel]
) -> Chart:
    if any(diverged(panel.lines) for panel in panels):
        caption = [*caption, words("nan")]
    return Chart(
        key,
        words(key),
        _joined(caption),
        [_line_panel(panel, key) for panel in panels],
        legend_of(panels, f"chart-{key}-legend"),
        [_line_table(panel) for panel in tables],
    )


def _joined(sentences: Sequence[Text]) -> Text:
    """The sentences in both languages; Chinese has no spaces between them."""
    return " ".join(text[0] for text in sentences), "".join(text[1] for text in sentences)


def _line_panel(panel: Panel, chart: str) -> PagePanel:
    from matplotlib.figure import Figure  # slow to import

    key, pictures, data = f"chart-{chart}-{panel.key}", {}, {}
    for scale in panel.scales:
        figure = Figure(figsize=SIZE)
        axes = figure.add_axes(PLACE)
        draw_lines(axes, panel, scale)
        pictures[scale] = inline_svg(figure, f"{key}-{scale}", _described(key, chart))
        data = _hover(axes, panel)  # the place of an x is the same in all scales
    return PagePanel(key, panel.title, panel.x_title, pictures, data)


def _described(key: str, chart: str) -> dict[str, str]:
    """Attributes that make texts of the page the title and the description of a picture."""
    return {
        "role": "img",
        "aria-labelledby": f"{key}-title",
        "aria-describedby": f"chart-{chart}-caption",
    }


def _hover(axes: Axes, panel: Panel) -> dict[str, Any]:
    left, bottom, width, height = PLACE
    box = (left, left + width, 1 - bottom - height, 1 - bottom)
    start, end = axes.get_xlim()
    longest = max((line.x for line in panel.lines), key=len)
    lines = [
        {
            "line": str(index),
            "keys": line_keys(line, panel),
            "title": _line_title(line, panel.lines),
            "values": [None if math.isnan(value) else value for value in line.y.tolist()],
        }
        for index, line in enumerate(panel.lines)
    ]
    if panel.yardstick is not None:
        lines.append({"line": YARDSTICK_KEY, "keys": [YARDSTICK_KEY], "title": "", "values": []})
    return {
        "box": [round(100 * edge, 2) for edge in box],
        "at": [round(100 * (x - start) / (end - start), 2) for x in longest.tolist()],
        "labels": panel.x_labels,
        "x_title": panel.x_title,
        "lines": lines,
    }


def _line_title(line: Line, lines: Sequence[Line]) -> str:
    """The variant, and its dtype if the panel has several."""
    several = len({one.dtype for one in lines}) > 1
    return f"{line.series.title}, {line.dtype}" if several else line.series.title


def _line_table(panel: Panel) -> Table:
    titles = [_line_title(line, panel.lines) for line in panel.lines]
    rows = [
        [label, *(_cell(line.y[at]) if at < len(line.y) else "–" for line in panel.lines)]
        for at, label in enumerate(panel.x_labels)
    ]
    return Table(panel.title, [panel.x_title, *((name, name) for name in titles)], rows)


def _cell(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.6g}"


def _time(results: ComparisonResults) -> Chart | None:
    panels = time_bars(results)
    if not panels:
        return None
    count = epochs_of(results.speed_runs or results.runs)
    header = [words("framework"), *(panel.title for panel in panels)]
    rows = [
        [series.title, *(f"{panel.bars[at][1]:,.{panel.digits}f}" for panel in panels)]
        for at, (series, _) in enumerate(panels[0].bars)
    ]
    return Chart(
        "time",
        words("time"),
        words("measured", count=count),
        [_bar_panel(panel) for panel in panels],
        [],
        [Table(words("time"), header, rows)],
    )


def _bar_panel(panel: Bars) -> PagePanel:
    from matplotlib.figure import Figure  # slow to import

    key = f"chart-time-{panel.key}"
    figure = Figure(figsize=(SIZE[0], 0.6 + 0.36 * len(panel.bars)), layout="constrained")
    draw_bars(figure.subplots(), panel, hatched=False)
    picture = inline_svg(figure, key, _described(key, "time"))
    lines = [
        {"line": str(index), "keys": [series.name], "title": series.title, "values": []}
        for index, (series, _) in enumerate(panel.bars)
    ]
    return PagePanel(key, panel.title, None, {"linear": picture}, {"lines": lines})
