"""Tables of benchmarks on the terminal, with remarks."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from rich.table import Table

from d2ldrop.bench.machine import machine_line
from d2ldrop.bench.timing import ratios, spread
from d2ldrop.frameworks import title

Results = dict[str, dict[str, Any]]
"""The figures of each framework that was measured."""


def measured(summary: dict[str, Any]) -> Results:
    """Return the figures of the frameworks that did not fail."""
    return {name: row for name, row in summary["backends"].items() if "error" not in row}


def floor_of(timings: dict[str, list[float]]) -> str:
    """Return the name of the fastest products: the lower bound."""
    paths = [name for name in timings if name.startswith("products: ")]
    return min(paths, key=lambda name: statistics.median(timings[name]))


def table(summary: dict[str, Any]) -> Table:
    """Return the table of a summary; cells hold a median and its quartiles."""
    return TABLES[summary["kind"]](measured(summary))


def remarks(summary: dict[str, Any]) -> list[str]:
    """Return the lines under the table: the machine, then one line per framework."""
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
            lines.append(f"{title(name)} {machine_line(row['machine'])}")
        if "error" in row:
            lines.append(f"{title(name)} failed: {row['error']}")
    return lines


def _cell(values: list[float], digits: int = 2) -> str:
    low, middle, high = spread(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"


def _train(results: Results) -> Table:
    result = Table(title="Seconds per epoch (float32)", title_justify="left")
    for column in ("backend", "contender", "s/epoch", "× products", "d2ldrop is faster by"):
        result.add_column(column, justify="left" if column in ("backend", "contender") else "right")
    for name, row in results.items():
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


def _layer(results: Results) -> Table:
    result = Table(title="dropout_layer, G elements per second (float32)", title_justify="left")
    for column in ("backend", "shape", "p", "what", "d2ldrop", "its own", "ratio"):
        result.add_column(column, justify="left" if column in ("backend", "what") else "right")
    for name, row in results.items():
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


def _startup(results: Results) -> Table:
    result = Table(title="Start-up: seconds of a whole process", title_justify="left")
    for column in ("backend", "python", "import d2ldrop", "import framework", "get_backend"):
        result.add_column(column, justify="left" if column == "backend" else "right")
    for name, row in results.items():
        result.add_row(title(name), *(_cell(values) for values in row["timings"].values()))
    return result


def _growth(results: Results) -> Table:
    result = Table(title="Microseconds per image", title_justify="left")
    for column in ("", "float", *map(title, results)):
        result.add_column(column, justify="right" if column else "left")
    rows: dict[tuple[str, str], list[str]] = {}
    for row in results.values():
        for case in row["cases"]:
            what = "batch size" if case["what"] == "batch_size" else "hidden width"
            key = f"{what} {case['value']:,}", case["dtype"].removeprefix("float")
            cells = rows.setdefault(key, [])
            cells.append(f"{1e6 * statistics.median(case['seconds_per_image']):.1f}")
    for key, cells in rows.items():
        result.add_row(*key, *cells)
    return result


TABLES: dict[str, Callable[[Results], Table]] = {
    "train": _train,
    "layer": _layer,
    "startup": _startup,
    "growth": _growth,
}
