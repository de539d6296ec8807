"""What a comparison looks like: the table on the terminal and the curves in a picture."""

from __future__ import annotations

import io
import json
import math
import sys
import textwrap
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from d2ldrop.comparison.agreement import LIMIT
from d2ldrop.comparison.workplace import Row
from d2ldrop.core.recipe import Recipe
from d2ldrop.frameworks import title
from d2ldrop.training.folder import RunFolder, write_bytes

# Okabe and Ito's palette, for the colour-blind; in grey the line styles tell them apart.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 3)))
MARKERS = "os^Dv*P"


def console() -> Console:
    """On stdout; a pipe has no width, and a table wants some."""
    return Console(width=None if sys.stdout and sys.stdout.isatty() else 120)


def comparison_table(summary: dict[str, Any]) -> Table:
    """The table of a summary: a row a backend."""
    table = Table(title=table_title(summary), title_justify="left")
    table.add_column("backend")
    table.add_column("version")
    table.add_column("s/epoch", justify="right")
    table.add_column("train loss", justify="right")
    table.add_column("train acc", justify="right")
    table.add_column("test acc", justify="right")
    table.add_column("peak MB", justify="right")
    # A row is in one check of the first steps: its own, or that of the concise versions.
    columns = [
        [check for check in summary["lockstep"] if check["what"].startswith(what)]
        for what in ("first steps", "whole run")
    ]
    for checks in filter(None, columns):
        table.add_column(f"|ΔW| at step {checks[0]['steps']:,}", justify="right")
    for name, row in summary["backends"].items():
        differences = (_difference(checks, name) for checks in filter(None, columns))
        table.add_row(title(name), *_cells(row), *differences)
    return table


def table_title(summary: dict[str, Any]) -> str:
    """What was run, in a line; a stand-in is named as such."""
    recipe = summary["recipe"]
    epochs = "1 epoch" if recipe["num_epochs"] == 1 else f"{recipe['num_epochs']} epochs"
    noise = recipe["noise"]
    concise = [name for name in summary["backends"] if Row.named(name).implementation == "concise"]
    masks = f"{recipe['rng']} masks"
    if concise and recipe["rng"] == "shared":
        mixed = len(concise) < len(summary["backends"])
        masks = "shared masks (concise: native)" if mixed else "native masks"
    parts = [
        data_title(summary),
        epochs,
        recipe["dtype"],
        "no noise" if noise == "none" else f"{noise} {_list(recipe['dropout'])}",
        *(
            f"{name.replace('_', ' ')} {recipe[name]}"
            for name in ("input_dropout", "schedule", "scaling", "weight_decay", "max_norm")
            if recipe[name] != getattr(Recipe(), name)
        ),
        f"lr {recipe['lr']:g}",
        f"batch {recipe['batch_size']}",
        f"seed {recipe['seed']}",
        masks,
        summary["device"],
    ]
    return ", ".join(parts)


def data_title(result: dict[str, Any]) -> str:
    """The dataset of a run or a comparison and its size."""
    known = {"fashion-mnist": "Fashion-MNIST", "stand-in": "STAND-IN DATA, NOT Fashion-MNIST"}
    name = known.get(result["dataset"], result["dataset"])
    return f"{name} ({result['train_size']:,}/{result['test_size']:,} images)"


def _list(values: list[float]) -> str:
    return "/".join(f"{value:g}" for value in values)


def _cells(row: dict[str, Any]) -> list[str]:
    if row["status"] != "ok":
        return [f"[bold red]{row['status']}[/]", *[""] * 5]
    return [
        row["framework_version"],
        f"{row['seconds_per_epoch']:.2f}",
        f"{_or_nan(row['train_loss']):.4f}",
        f"{row['train_accuracy']:.4f}",
        f"{row['test_accuracy']:.4f}",
        f"{row['peak_rss_bytes'] / 1e6:,.0f}",
    ]


def _or_nan(value: float | None) -> float:
    """JSON has no NaN: it is null there."""
    return math.nan if value is None else value


def _difference(checks: list[dict[str, Any]], row: str) -> str:
    for check in checks:
        if row in check["difference"]:
            text = f"{_or_nan(check['difference'][row]):.1e}"
            return text if check["in_lockstep"][row] else f"[bold red]{text} APART[/]"
    return ""


def remarks(summary: dict[str, Any]) -> list[str]:
    """The lines under the table: the yardstick, what failed and why, where everything is."""
    lines = []
    for check in summary["lockstep"]:
        measured = [row for row in check["in_lockstep"] if row in check["difference"]]
        apart = [title(row) for row in measured if not check["in_lockstep"][row]]
        verdict = f"NOT in lockstep: {', '.join(apart)}" if apart else "all in lockstep"
        if missing := [title(row) for row in check["in_lockstep"] if row not in measured]:
            verdict += f" (not measured: {', '.join(missing)})"
        what = "Concise, without noise: after" if "without noise" in check["what"] else "After"
        lines.append(
            f"{what} {check['steps']:,} steps in float64 {verdict}: largest difference of a weight "
            f"from NumPy's, at most {check['limit']:.1e} "
            f"(one rounding error's nudge takes NumPy {check['yardstick']:.1e} from itself)."
        )
        if check["yardstick"] > LIMIT:
            lines.append(
                "That is chaos: rounding alone decides where such a run ends, on any framework. "
                "A smaller --lr calms it."
            )
    lines += [
        f"Left out: {title(name)} ({why})" for name, why in summary.get("left_out", {}).items()
    ]
    if summary["problem"]:
        lines.append(summary["problem"])
    lines += [
        f"{title(backend)} {row['status']}: {row['error']}"
        for backend, row in summary["backends"].items()
        if "error" in row
    ]
    return lines


def draw_curves(summary: dict[str, Any]) -> None:
    """Write ``curves.png``: loss and accuracy by epoch, a line a row; nothing if none ran.

    A concise version has its framework's line with filled markers.
    """
    from matplotlib.figure import Figure  # takes a while, and not every command draws

    folder = Path(summary["folder"])
    runs = {
        backend: json.loads(RunFolder(folder / backend).result.read_text())["epochs"]
        for backend, row in summary["backends"].items()
        if row["status"] == "ok"
    }
    if not runs:
        return
    backends = list(dict.fromkeys(Row.named(name).backend for name in runs))
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    panels = (
        ("train_loss", "training loss (nats)"),
        ("train_accuracy", "training accuracy"),
        ("test_accuracy", "test accuracy"),
    )
    all_axes = figure.subplots(1, len(panels))
    for axes, (key, label) in zip(all_axes, panels, strict=True):
        for name, epochs in runs.items():
            row = Row.named(name)
            index = backends.index(row.backend)
            axes.plot(
                [epoch["epoch"] for epoch in epochs],
                [_or_nan(epoch[key]) for epoch in epochs],
                label=title(name),
                color=COLOURS[index % len(COLOURS)],
                linestyle=STYLES[index % len(STYLES)],
                marker=MARKERS[index % len(MARKERS)],
                markersize=5,
                markerfacecolor=None if row.implementation == "concise" else "none",
            )
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside right center")
    figure.suptitle(textwrap.fill(table_title(summary), 150), fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    write_bytes(folder / "curves.png", buffer.getvalue())
