"""The curves of a comparison as a picture, on a light or a dark background."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.table import or_nan, table_title
from d2ldrop.core.files import write_bytes
from d2ldrop.frameworks import title
from d2ldrop.training.folder import RunFolder

# Okabe and Ito's palette, for colour-blind readers. In print, the line styles differ.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 3)))
MARKERS = "os^Dv*P"
PANELS = (
    ("train_loss", "training loss (nats)"),
    ("train_accuracy", "training accuracy"),
    ("test_accuracy", "test accuracy"),
)


def draw_curves(summary: dict[str, Any], *, dark: bool = False) -> Path | None:
    """Write a picture of loss and accuracy by epoch, one line per variant, beside the summary.

    A concise version has the same colour and line style as its framework, but filled markers.

    Args:
        summary: the summary of a comparison.
        dark: draw on a dark background, and write ``curves-dark.png`` instead of ``curves.png``.

    Returns:
        The file. If no variant has run, nothing is written and the result is None.
    """
    from matplotlib import style  # slow to import, and only few commands draw

    folder = Path(summary["folder"])
    runs = {
        Variant.named(name): RunFolder(folder / name).read_result()["epochs"]
        for name, row in summary["backends"].items()
        if row["status"] == "ok"
    }
    if not runs:
        return None
    buffer = io.BytesIO()
    with style.context("dark_background" if dark else []):
        figure = _figure(runs, table_title(summary), dark)
        figure.savefig(buffer, format="png", dpi=150)
    file = folder / ("curves-dark.png" if dark else "curves.png")
    write_bytes(file, buffer.getvalue())
    return file


def _figure(runs: dict[Variant, list[dict[str, Any]]], heading: str, dark: bool) -> Any:
    from matplotlib.figure import Figure

    colours = ("#FFFFFF", *COLOURS[1:]) if dark else COLOURS
    backends = list(dict.fromkeys(variant.backend for variant in runs))
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    all_axes = figure.subplots(1, len(PANELS))
    for axes, (key, label) in zip(all_axes, PANELS, strict=True):
        for variant, epochs in runs.items():
            index = backends.index(variant.backend)
            axes.plot(
                [epoch["epoch"] for epoch in epochs],
                [or_nan(epoch[key]) for epoch in epochs],
                label=title(variant.name),
                color=colours[index % len(colours)],
                linestyle=STYLES[index % len(STYLES)],
                marker=MARKERS[index % len(MARKERS)],
                markersize=5,
                markerfacecolor=None if variant.implementation == "concise" else "none",
            )
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside right center")
    figure.suptitle(textwrap.fill(heading, 150), fontsize=10)
    return figure
