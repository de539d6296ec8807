"""Pictures of benchmarks."""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d2ldrop.bench.tables import Results, measured
from d2ldrop.bench.timing import spread
from d2ldrop.comparison.looks import COLOURS, GREY, MARKERS, STYLES
from d2ldrop.core.files import write_bytes
from d2ldrop.frameworks import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS, OTHERS = COLOURS[0], GREY


def draw(summary: dict[str, Any]) -> None:
    """Write ``bench.png`` into the folder of a summary, unless all frameworks failed."""
    from matplotlib.figure import Figure  # slow to import

    results = measured(summary)
    if not results:
        return
    width = max(13, 2.2 * len(results))  # room for the panels of many frameworks
    figure = Figure(figsize=(width, 5.5), layout="constrained")
    PICTURES[summary["kind"]](figure, results)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_bytes(Path(summary["folder"]) / "bench.png", buffer.getvalue())


def _draw_bars(figure: Figure, results: Results) -> None:
    """Draw one panel per framework and one bar per contender: median and quartiles."""
    for axes, (name, row) in zip(
        figure.subplots(1, len(results), squeeze=False)[0], results.items(), strict=True
    ):
        for index, (contender, values) in enumerate(row["timings"].items()):
            low, middle, high = spread(values)
            colour = OURS if contender == "d2ldrop" else OTHERS
            axes.bar(index, middle, yerr=[[middle - low], [high - middle]], color=colour, capsize=4)
        axes.set_xticks(range(len(row["timings"])), row["timings"], rotation=90)
        axes.set(title=title(name), ylabel="seconds", ylim=(0, None))
        axes.grid(axis="y", alpha=0.3)


def _draw_layer(figure: Figure, results: Results) -> None:
    """Draw one panel per shape and direction: the rates of d2ldrop and of each framework."""
    from matplotlib.patches import Patch  # slow to import

    cases = [
        (index, case)
        for index, row in enumerate(results.values())
        for case in row["cases"]
        if case["dropout"] == 0.5
    ]
    panels = sorted({(case["n"], case["backward"]) for _, case in cases})
    colours = {"d2ldrop": OURS, "own": OTHERS}
    for axes, (n, both) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        for index, case in cases:
            if (case["n"], case["backward"]) != (n, both):
                continue
            for contender, seconds in case["timings"].items():
                rate = statistics.median(n * n / 1e9 / t for t in seconds)
                place = index + (-0.2 if contender == "d2ldrop" else 0.2)
                axes.bar(place, rate, 0.4, color=colours[contender])
        axes.set_xticks(range(len(results)), map(title, results), rotation=60, ha="right")
        axes.set(
            title=f"{n}×{n}, p = 0.5\n{'forward+backward' if both else 'forward'}",
            ylabel="G elements / s",
            xlim=(-0.6, len(results) - 0.4),
        )
        axes.grid(axis="y", alpha=0.3)
    labels = {"d2ldrop, shared masks": OURS, "the framework's own": OTHERS}
    handles = [Patch(color=colour, label=label) for label, colour in labels.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)


def _draw_growth(figure: Figure, results: Results) -> None:
    """Draw the time of an image over batch size and width, one line per framework."""
    panels = [
        (what, dtype) for what in ("batch_size", "num_hiddens") for dtype in ("float32", "float64")
    ]
    all_axes = figure.subplots(1, 4)
    for axes, (what, dtype) in zip(all_axes, panels, strict=True):
        for index, (name, row) in enumerate(results.items()):
            cases = [c for c in row["cases"] if (c["what"], c["dtype"]) == (what, dtype)]
            axes.loglog(
                [case["value"] for case in cases],
                [1e6 * statistics.median(case["seconds_per_image"]) for case in cases],
                label=title(name),
                color=COLOURS[index % len(COLOURS)],
                linestyle=STYLES[index % len(STYLES)],
                marker=MARKERS[index % len(MARKERS)],
            )
        label = "batch size (images)" if what == "batch_size" else "hidden width (units)"
        axes.set(xlabel=label, ylabel="µs / image", title=dtype)
        axes.grid(alpha=0.3, which="both")
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside right center")


PICTURES: dict[str, Callable[[Any, Results], None]] = {
    "train": _draw_bars,
    "layer": _draw_layer,
    "startup": _draw_bars,
    "growth": _draw_growth,
}
