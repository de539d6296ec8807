"""Tables of benchmarks on the terminal, with remarks."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from d2ldrop.bench.machine import machine_line
from d2ldrop.bench.timing import ratios, spread
from d2ldrop.comparison.layout import Column, FittedTable
from d2ldrop.frameworks import title

Results = dict[str, dict[str, Any]]
"""The figures of each framework that was measured."""


def measured(summary: dict[str, Any]) -> Results:
    """Return the figures of the frameworks that did not fail."""
    return {name: row for name, row in summary["backends"].items() if "error" not in row}


def floor_of(timings: dict[str, list[float]]) -> str | None:
    """Return the name of the fastest products: the lower bound. It is None without products."""
    paths = [name for name in timings if name.startswith("products: ")]
    return min(paths, key=lambda name: statistics.median(timings[name]), default=None)


def table(summary: dict[str, Any]) -> FittedTable:
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
    for name, row in measured(summary).items():
        if missing := MISSING[summary["kind"]](row):
            lines.append(
                f"{title(name)}: {missing}. A module in the entry-point group d2ldrop.bench "
                "adds them; d2ldrop.bench.Peers describes its functions."
            )
    return lines


def _missing_in_training(row: dict[str, Any]) -> str:
    """Return what the framework's module for benchmarks does not have: "" if it has products."""
    if floor_of(row["timings"]) is not None:
        return ""
    trainers = "" if len(row["timings"]) > 1 else " and no usual trainer"
    return f"no products{trainers} are known"


def _missing_in_layer(row: dict[str, Any]) -> str:
    """Return what is missing in the timings of the layer: "" if the framework's own is there."""
    if all("own" in case["timings"] for case in row["cases"]):
        return ""
    return "its own dropout and its gradients are not known"


MISSING: dict[str, Callable[[dict[str, Any]], str]] = {
    "train": _missing_in_training,
    "layer": _missing_in_layer,
    "startup": lambda _: "",
    "growth": lambda _: "",
}


def _fitted(title: str, texts: Sequence[str], figures: Sequence[str]) -> FittedTable:
    """An empty table with columns of text, then of figures on the right."""
    columns = [Column(header, wraps=True) for header in texts]
    return FittedTable(title, columns + [Column(each, right=True, wraps=True) for each in figures])


def _cell(values: list[float], digits: int = 2) -> str:
    low, middle, high = spread(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"


def _train(results: Results) -> FittedTable:
    figures = ("s/epoch", "× products", "d2ldrop is faster by")
    result = _fitted("Seconds per epoch (float32)", ("backend", "contender"), figures)
    for name, row in results.items():
        timings = row["timings"]
        floor, ours = timings.get(floor_of(timings) or ""), timings["d2ldrop"]
        for contender, values in timings.items():
            usual = not contender.startswith("products: ") and contender != "d2ldrop"
            result.add_row(
                title(name) if contender == next(iter(timings)) else "",
                contender,
                _cell(values),
                _cell(ratios(values, floor)) if floor else "–",
                _cell(ratios(values, ours)) if usual else "",
            )
        result.add_section()
    return result


def _layer(results: Results) -> FittedTable:
    result = _fitted(
        "dropout_layer, G elements per second (float32)",
        ("backend", "shape", "p", "what"),
        ("d2ldrop", "its own", "ratio"),
    )
    for name, row in results.items():
        for case in row["cases"]:
            ours, own = case["timings"]["d2ldrop"], case["timings"].get("own")
            billions = case["n"] ** 2 / 1e9
            result.add_row(
                title(name) if case is row["cases"][0] else "",
                f"{case['n']}×{case['n']}",
                f"{case['dropout']:g}",
                "forward+backward" if case["backward"] else "forward",
                _cell([billions / value for value in ours]),
                _cell([billions / value for value in own]) if own else "–",
                _cell(ratios(own, ours)) if own else "–",
            )
        result.add_section()
    return result


def _startup(results: Results) -> FittedTable:
    figures = ("python", "import d2ldrop", "import framework", "get_backend")
    result = _fitted("Start-up: seconds of a whole process", ("backend",), figures)
    for name, row in results.items():
        result.add_row(title(name), *(_cell(values) for values in row["timings"].values()))
    return result


def _growth(results: Results) -> FittedTable:
    figures = ("float", *map(title, results))
    result = _fitted("Microseconds per image", ("",), figures)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name, row in results.items():
        for case in row["cases"]:
            what = "batch size" if case["what"] == "batch_size" else "hidden width"
            key = f"{what} {case['value']:,}", case["dtype"].removeprefix("float")
            microseconds = 1e6 * statistics.median(case["seconds_per_image"])
            rows.setdefault(key, {})[name] = f"{microseconds:.1f}"
    for key, cells in rows.items():
        result.add_row(*key, *(cells.get(name, "–") for name in results))
    return result


TABLES: dict[str, Callable[[Results], FittedTable]] = {
    "train": _train,
    "layer": _layer,
    "startup": _startup,
    "growth": _growth,
}
