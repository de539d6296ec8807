"""A comparison on the terminal: the table, and the remarks below it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from rich.text import Text

from d2ldrop.comparison.layout import Column, FittedTable, printable
from d2ldrop.comparison.lockstep import LIMIT, WHOLE_RUN
from d2ldrop.comparison.plan import Variant
from d2ldrop.core.recipe import Recipe
from d2ldrop.frameworks import title

COLUMNS = (
    Column("backend", wraps=True),
    Column("version", hide=2),
    Column("s/epoch", right=True, hide=4),
    Column("train loss", right=True, hide=5),
    Column("train acc", right=True, hide=3),
    Column("test acc", right=True),
    Column("peak MB", right=True, hide=1),
)
"""The columns before those of the lockstep checks; a failed row has its status under "version"."""


def comparison_table(summary: dict[str, Any]) -> FittedTable:
    """The table of a summary: one row per variant."""
    columns = list(COLUMNS)
    if any(row["status"] != "ok" for row in summary["backends"].values()):
        columns[1] = Column("version")
    # Each variant has one check of the first steps: concise ones without noise, others with noise.
    checks = [
        found
        for what in ("first steps", WHOLE_RUN)
        if (found := [check for check in summary["lockstep"] if check["what"].startswith(what)])
    ]
    columns += [
        Column(f"|ΔW| at step {found[0]['steps']:,}", right=True, wraps=True) for found in checks
    ]
    table = FittedTable(table_title(summary), columns)
    for name, row in summary["backends"].items():
        table.add_row(title(name), *_cells(row), *(_difference(found, name) for found in checks))
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


def _cells(row: dict[str, Any]) -> list[str | Text]:
    if row["status"] != "ok":
        return [Text(printable(row["status"]), style="bold red"), *[""] * 5]
    return [
        row["framework_version"],
        f"{row['seconds_per_epoch']:.2f}",
        f"{or_nan(row['train_loss']):.4f}",
        f"{row['train_accuracy']:.4f}",
        f"{row['test_accuracy']:.4f}",
        f"{row['peak_rss_bytes'] / 1e6:,.0f}",
    ]


def or_nan(value: float | None) -> float:
    """``value``, or NaN if it is None: JSON stores NaN as null."""
    return math.nan if value is None else value


def _difference(checks: list[dict[str, Any]], row: str) -> Text:
    for check in checks:
        if row in check["difference"]:
            text = f"{or_nan(check['difference'][row]):.1e}"
            if check["in_lockstep"][row]:
                return Text(text)
            return Text(f"{text} APART", style="bold red")
    return Text()


def remarks(summary: dict[str, Any]) -> list[str]:
    """The lines below the table: the lockstep checks, what is missing, what failed and why."""
    lines = []
    for check in summary["lockstep"]:
        lines += _remarks_on_check(check)
    lines += [
        f"Left out: {title(name)} ({why})" for name, why in summary.get("left_out", {}).items()
    ]
    instead = {"device": "cpu", "execution": "default"}
    lines += [
        f"--{setting} {summary[setting]} does not apply to {_titles(rows)}: "
        f"{instead[setting]} instead."
        for setting, rows in summary.get("not_applied", {}).items()
        if rows
    ]
    if summary["problem"]:
        lines.append(summary["problem"])
    lines += [
        f"{title(backend)} {row['status']}: {row['error']}"
        for backend, row in summary["backends"].items()
        if "error" in row
    ]
    return [printable(line) for line in lines]


def _remarks_on_check(check: dict[str, Any]) -> list[str]:
    """What a lockstep check has shown. Rows that did not get so far are named as not measured."""
    measured = [row for row in check["in_lockstep"] if row in check["difference"]]
    missing = _titles(row for row in check["in_lockstep"] if row not in measured)
    apart = _titles(row for row in measured if not check["in_lockstep"][row])
    what = "Concise, without noise: after" if "without noise" in check["what"] else "After"
    begin = f"{what} {check['steps']:,} steps in float64"
    if not measured:
        return [f"{begin} nothing is compared: {missing} did not get so far."]
    verdict = f"{_titles(measured) if missing else 'all'} in lockstep"
    if apart:
        verdict = f"NOT in lockstep: {apart}"
    if missing:
        verdict += f" (not measured: {missing})"
    lines = [
        f"{begin} {verdict}: largest difference of a weight from NumPy's, at most "
        f"{check['limit']:.1e} (NumPy differs by {check['yardstick']:.1e} from itself after a "
        "nudge of one rounding error)."
    ]
    if check["yardstick"] > LIMIT:
        lines.append(
            "That is chaos: on any framework, rounding alone decides where such a run ends. "
            "A smaller lr (--lr) prevents it."
        )
    return lines


def _titles(rows: Iterable[str]) -> str:
    return ", ".join(title(row) for row in rows)
