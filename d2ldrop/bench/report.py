"""Table and picture of a benchmark."""

from __future__ import annotations

import io
import statistics
from pathlib import Path
from typing import Any

from rich.table import Table

from d2ldrop.bench.machine import describe
from d2ldrop.bench.timing import ratios, spread
from d2ldrop.comparison.curves import COLOURS, MARKERS, STYLES
from d2ldrop.core.files import write_bytes
from d2ldrop.frameworks import title


def floor_of(timings: dict[str, list[float]]) -> str:
    """The path whose products take the least time."""
    paths = [name for name in timings if name.startswith("products: ")]
    return min(paths, key=lambda name: statistics.median(timings[name]))


def table(summary: dict[str, Any]) -> Table:
    """The table of a summary, a median and its quartiles in each cell."""
    return {"train": _train, "layer": _layer, "startup": _startup, "growth": _growth}[
        summary["kind"]
    ](summary)


def remarks(summary: dict[str, Any]) -> list[str]:
    """The machine, once, then a line a framework."""
    rows = summary["backends"]
    machines = [row["machine"] for row in rows.values() if "machine" in row]
    lines = []
    if machines:
        first = machines[0]
        lines.append(
            f"{first['processor']}, {first['cores']} cores, {first['platform']}, "
            f"Python {first['python']}, NumPy {first['numpy']}; medians [quartiles] of "
            f"{summary['rounds']} rounds, each contender in turn."
        )
    for name, row in rows.items():
        if "machine" in row:
            lines.append(f"{title(name)} {describe(row['machine'])}")
        if "error" in row:
            lines.append(f"{title(name)} failed: {row['error']}")
    return lines


def _measured(summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: row for name, row in summary["backends"].items() if "error" not in row}


def _cell(values: list[float], digits: int = 2) -> str:
    low, middle, high = spread(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"


def _train(summary: dict[str, Any]) -> Table:
    result = Table(title="Seconds an epoch (float32)", title_justify="left")
    for column in ("backend", "contender", "s/epoch", "× products", "d2ldrop is faster by"):
        result.add_column(column, justify="left" if column in ("backend", "contender") else "right")
    for name, row in _measured(summary).items():
        timings = row["timings"]
        floor, ours = timings[floor_of(timings)], timings["d2ldrop"]
        for contender, values in timings.items():
            usual = not contender.startswith("products: ") and contender != "d2ldrop"
            result.add_row(
                title(name) if contender == next(iter(timings)) else "",
                contender,
                _cell(values),
                _cell(ratios(values, floor)),
                _cell(ratios(values, ours)) if usual else "",
            )
        result.add_section()
    return result


def _layer(summary: dict[str, Any]) -> Table:
    result = Table(title="dropout_layer, G elements a second (float32)", title_justify="left")
    for column in ("backend", "shape", "p", "what", "d2ldrop", "its own", "ratio"):
        result.add_column(column, justify="left" if column in ("backend", "what") else "right")
    for name, row in _measured(summary).items():
        for case in row["cases"]:
            ours, own = case["timings"]["d2ldrop"], case["timings"]["own"]
            billions = case["n"] ** 2 / 1e9
            result.add_row(
                title(name) if case is row["cases"][0] else "",
                f"{case['n']}×{case['n']}",
                f"{case['dropout']:g}",
                "forward+backward" if case["backward"] else "forward",
                _cell([billions / value for value in ours]),
                _cell([billions / value for value in own]),
                _cell(ratios(own, ours)),
            )
        result.add_section()
    return result


def _startup(summary: dict[str, Any]) -> Table:
    result = Table(title="Start-up, seconds of a whole process", title_justify="left")
    for column in ("backend", "python", "import d2ldrop", "import framework", "get_backend"):
        result.add_column(column, justify="left" if column == "backend" else "right")
    for name, row in _measured(summary).items():
        result.add_row(title(name), *(_cell(values) for values in row["timings"].values()))
    return result


def _growth(summary: dict[str, Any]) -> Table:
    result = Table(title="Microseconds an image", title_justify="left")
    measured = _measured(summary)
    for column in ("", "float", *map(title, measured)):
        result.add_column(column, justify="right" if column else "left")
    rows: dict[tuple[str, str], list[str]] = {}
    for row in measured.values():
        for case in row["cases"]:
            what = "batch size" if case["what"] == "batch_size" else "hidden width"
            key = f"{what} {case['value']:,}", case["dtype"].removeprefix("float")
            cells = rows.setdefault(key, [])
            cells.append(f"{1e6 * statistics.median(case['seconds_per_image']):.1f}")
    for key, cells in rows.items():
        result.add_row(*key, *cells)
    return result


def draw(summary: dict[str, Any]) -> None:
    """Write ``bench.png``; nothing if nothing was measured."""
    from matplotlib.figure import Figure  # takes a while

    measured = _measured(summary)
    if not measured:
        return
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    {"train": _draw_bars, "layer": _draw_layer, "startup": _draw_bars, "growth": _draw_growth}[
        summary["kind"]
    ](figure, summary)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_bytes(Path(summary["folder"]) / "bench.png", buffer.getvalue())


def _draw_bars(figure: Any, summary: dict[str, Any]) -> None:
    """A panel a framework, a bar a contender: the median, and the quartiles as whiskers."""
    measured = _measured(summary)
    for axes, (name, row) in zip(
        figure.subplots(1, len(measured), squeeze=False)[0], measured.items(), strict=True
    ):
        for index, (contender, values) in enumerate(row["timings"].items()):
            low, middle, high = spread(values)
            colour = COLOURS[0 if contender == "d2ldrop" else 6]
            axes.bar(index, middle, yerr=[[middle - low], [high - middle]], color=colour, capsize=4)
        axes.set_xticks(range(len(row["timings"])), row["timings"], rotation=60, ha="right")
        axes.set(title=title(name), ylabel="seconds", ylim=(0, None))
        axes.grid(axis="y", alpha=0.3)


def _draw_layer(figure: Any, summary: dict[str, Any]) -> None:
    """A panel a shape and direction: this project's rate and the framework's own."""
    measured = _measured(summary)
    panels = [(n, both) for n in (256, 4096) for both in (False, True)]
    all_axes = figure.subplots(1, 4)
    for axes, (n, both) in zip(all_axes, panels, strict=True):
        for offset, contender in ((-0.2, "d2ldrop"), (0.2, "own")):
            rates = [
                statistics.median(n * n / 1e9 / t for t in case["timings"][contender])
                for row in measured.values()
                for case in row["cases"]
                if (case["n"], case["backward"], case["dropout"]) == (n, both, 0.5)
            ]
            label = "d2ldrop, shared masks" if contender == "d2ldrop" else "the framework's own"
            colour = COLOURS[0 if contender == "d2ldrop" else 6]
            axes.bar([i + offset for i in range(len(rates))], rates, 0.4, color=colour, label=label)
        axes.set_xticks(range(len(measured)), map(title, measured), rotation=60, ha="right")
        axes.set(
            title=f"{n}×{n}, p = 0.5\n{'forward+backward' if both else 'forward'}",
            ylabel="G elements / s",
        )
        axes.grid(axis="y", alpha=0.3)
    all_axes[0].legend(fontsize=8)


def _draw_growth(figure: Any, summary: dict[str, Any]) -> None:
    """Seconds an image by batch size and by width, a line a framework."""
    panels = [
        (what, dtype) for what in ("batch_size", "num_hiddens") for dtype in ("float32", "float64")
    ]
    all_axes = figure.subplots(1, 4)
    for axes, (what, dtype) in zip(all_axes, panels, strict=True):
        for index, (name, row) in enumerate(_measured(summary).items()):
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
