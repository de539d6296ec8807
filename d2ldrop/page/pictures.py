"""Pictures of a comparison for papers and slides: PNG and SVG files in its folder."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from d2ldrop.comparison.looks import GREY
from d2ldrop.comparison.table import table_title
from d2ldrop.core.files import write_bytes
from d2ldrop.frameworks import title
from d2ldrop.page.chart_words import words
from d2ldrop.page.drawing import INK, YARDSTICK, draw_bars, draw_lines, series_look
from d2ldrop.page.panels import (
    Panel,
    agreement_panels,
    curve_panels,
    dtype_of,
    epochs_of,
    reference_of,
    taking_turns,
    time_bars,
)
from d2ldrop.page.results import ComparisonResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 200
PAPER = "#FFFFFF"


def draw_pictures(results: ComparisonResults) -> list[Path]:
    """Write ``curves``, ``agreement`` and ``time``, each as .png and .svg, into the folder.

    Returns:
        The files. A picture with nothing to show is not written: ``agreement`` needs two runs, and
        the others one. The same results give the same bytes.
    """
    drawings: dict[str, Callable[[ComparisonResults], Figure | None]] = {
        "curves": _curves,
        "agreement": _agreement,
        "time": _time,
    }
    files = []
    for name, draw in drawings.items():
        if (figure := draw(results)) is not None:
            files += [_save(figure, results.folder / f"{name}{end}") for end in (".png", ".svg")]
    return files


def draw_dark_curves(results: ComparisonResults) -> Path | None:
    """Write ``curves-dark.png``, the curves on a dark background; None if there is no run."""
    from matplotlib import style

    with style.context("dark_background"):
        figure = _curves(results, ink=PAPER)
        return None if figure is None else _save(figure, results.folder / "curves-dark.png")


def _save(figure: Figure, file: Path) -> Path:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": file.stem}):
        kind = file.suffix[1:]
        metadata = {"Date": None} if kind == "svg" else {}
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    write_bytes(file, buffer.getvalue())
    return file


def _figure(width: float, height: float, heading: str) -> Figure:
    from matplotlib.figure import Figure  # slow to import, and only few commands draw

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(textwrap.fill(heading, int(11.5 * width)), fontsize=10).set_parse_math(False)
    return figure


def _curves(results: ComparisonResults, ink: str = INK) -> Figure | None:
    panels = curve_panels(results)
    if not panels:
        return None
    figure = _figure(13, 4.6, table_title(results.summary))
    _draw_side_by_side(figure, panels, ink)
    _add_legend(figure, panels, ink, _dtype_samples(results))
    return figure


def _agreement(results: ComparisonResults) -> Figure | None:
    panels = agreement_panels(results, points=150)
    if not panels:
        return None
    figure = _figure(3 + 5.5 * len(panels), 4.6, table_title(results.summary))
    _draw_side_by_side(figure, panels)
    notes: dict[str, Any] = {}
    if any(panel.yardstick is not None for panel in panels):
        notes["yardstick: NumPy against\nNumPy from weights changed\nby one rounding"] = YARDSTICK
    _add_legend(figure, panels, INK, notes)
    reference = title(reference_of(results.runs or results.speed_runs))
    bucket = max(panel.thinned for panel in panels)
    remarks = []
    if any((line.y == 0).any() for panel in panels for line in panel.lines):
        remarks.append(f"0: equal to {reference}'s in every digit.")
    if bucket > 1:
        remarks.append(f"A point is the largest difference of up to {bucket} steps.")
    figure.supxlabel(" ".join(remarks), fontsize=9).set_parse_math(False)
    return figure


def _draw_side_by_side(figure: Figure, panels: Sequence[Panel], ink: str = INK) -> None:
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(all_axes, panels, strict=True):
        draw_lines(axes, panel, panel.scales[0], ink)
        axes.set_xlabel(panel.x_title[0])
        axes.set_ylabel(panel.title[0], parse_math=False)
        if not any(np.isfinite(line.y).any() for line in panel.lines):
            axes.text(0.5, 0.5, "diverged", ha="center", va="center", transform=axes.transAxes)


def _add_legend(
    figure: Figure, panels: Sequence[Panel], ink: str, samples: dict[str, dict[str, Any]]
) -> None:
    """Add a legend: the variants, then ``samples``, looks by label."""
    from matplotlib.lines import Line2D

    series = dict.fromkeys(line.series for panel in panels for line in panel.lines)
    looks = {one.title: series_look(one, ink) for one in series} | samples
    handles = [Line2D([], [], **look) for look in looks.values()]
    legend = figure.legend(handles, list(looks), loc="outside right center", handlelength=3.5)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a title may contain $


def _dtype_samples(results: ComparisonResults) -> dict[str, dict[str, Any]]:
    samples = {}
    if taking_turns(results.runs):
        label = words("one_line", dtype=dtype_of(results.runs), count=epochs_of(results.runs))
        samples[_wrapped(label[0])] = {"color": GREY, "linewidth": 4}
    if results.runs and results.speed_runs:
        runs = results.speed_runs
        label = words("around", dtype=dtype_of(runs), count=epochs_of(runs))
        samples[_wrapped(label[0])] = {"color": GREY, "linewidth": 0.9}
    return samples


def _wrapped(label: str) -> str:
    return textwrap.fill(label, 26)


def _time(results: ComparisonResults) -> Figure | None:
    panels = time_bars(results)
    if not panels:
        return None
    runs = results.speed_runs or results.runs
    recipe = results.summary["recipe"] | {"dtype": dtype_of(runs), "num_epochs": epochs_of(runs)}
    heading = table_title({**results.summary, "recipe": recipe, "speed": None})
    figure = _figure(11, 1.6 + 0.35 * len(panels[0].bars), heading)
    for axes, panel in zip(figure.subplots(1, len(panels)), panels, strict=True):
        draw_bars(axes, panel)
        axes.set_xlabel(panel.title[0])
    return figure
