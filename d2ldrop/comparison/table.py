"""A comparison on the terminal: the table, and the remarks below it."""

from __future__ import annotations

import math
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from d2ldrop.comparison.lockstep import LIMIT, WHOLE_RUN
from d2ldrop.comparison.plan import Variant
from d2ldrop.core.recipe import Recipe
from d2ldrop.frameworks import title


def console() -> Console:
    """A console on stdout, with 120 columns if the output is piped."""
    return Console(width=None if sys.stdout and sys.stdout.isatty() else 120)


def comparison_table(summary: dict[str, Any]) -> Table:
    """The table of a summary: one row per variant."""
    table = Table(title=table_title(summary), title_justify="left")
    table.add_column("backend")
    table.add_column("version")
    table.add_column("s/epoch", justify="right")
    table.add_column("train loss", justify="right")
    table.add_column("train acc", justify="right")
    table.add_column("test acc", justify="right")
    table.add_column("peak MB", justify="right")
    # Each variant has one check of the first steps: concise ones without noise, others with noise.
    columns = [
        [check for check in summary["lockstep"] if check["what"].startswith(what)]
        for what in ("first steps", WHOLE_RUN)
    ]
    for checks in filter(None, columns):
        table.add_column(f"|ΔW| at step {checks[0]['steps']:,}", justify="right")
    for name, row in summary["backends"].items():
        differences = (_difference(checks, name) for checks in filter(None, columns))
        table.add_row(title(name), *_cells(row), *differences)
    return table


def table_title(summary: dict[str, Any]) -> str:
    """The settings of the run in one line, with a warning if the data are the stand-in."""
    recipe = summary["recipe"]
    epochs = "1 epoch" if recipe["num_epochs"] == 1 else f"{recipe['num_epochs']} epochs"
    noise = recipe["noise"]
    concise = [
        name for name in summary["backends"] if Variant.named(name).implementation == "concise"
    ]
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
    """The dataset of a run or a comparison, and its size."""
    known = {"fashion-mnist": "Fashion-MNIST", "stand-in": "STAND-IN DATA, NOT Fashion-MNIST"}
    name = known.get(result["dataset"], result["dataset"])
    return f"{name} ({result['train_size']:,}/{result['test_size']:,} images)"


def _list(values: list[float]) -> str:
    return "/".join(f"{value:g}" for value in values)


def _cells(row: dict[str, Any]) -> list[str]:
    if row["status"] != "ok":
        return [f"[bold red]{row['status']}[/]", *[""] * 5]
    return [
        escape(row["framework_version"]),
        f"{row['seconds_per_epoch']:.2f}",
        f"{or_nan(row['train_loss']):.4f}",
        f"{row['train_accuracy']:.4f}",
        f"{row['test_accuracy']:.4f}",
        f"{row['peak_rss_bytes'] / 1e6:,.0f}",
    ]


def or_nan(value: float | None) -> float:
    """``value``, or NaN if it is None: JSON stores NaN as null."""
    return math.nan if value is None else value


def _difference(checks: list[dict[str, Any]], row: str) -> str:
    for check in checks:
        if row in check["difference"]:
            text = f"{or_nan(check['difference'][row]):.1e}"
            return text if check["in_lockstep"][row] else f"[bold red]{text} APART[/]"
    return ""


def remarks(summary: dict[str, Any]) -> list[str]:
    """The lines below the table: the lockstep checks, what is missing, what failed and why."""
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
            f"from NumPy's, at most {check['limit']:.1e} (NumPy differs by "
            f"{check['yardstick']:.1e} from itself after a nudge of one rounding error)."
        )
        if check["yardstick"] > LIMIT:
            lines.append(
                "That is chaos: on any framework, rounding alone decides where such a run ends. "
                "A smaller lr (--lr) prevents it."
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
