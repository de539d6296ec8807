"""A comparison on the terminal: the table, and the remarks below it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rich.text import Text

from d2ldrop.comparison.layout import Column, FittedTable, printable
from d2ldrop.comparison.lockstep import WHOLE_RUN
from d2ldrop.comparison.plan import Variant
from d2ldrop.core.recipe import Recipe
from d2ldrop.frameworks import title
from d2ldrop.training.divergence import diverged_after
from d2ldrop.training.quantities import LIMIT

SMALLER_LR = "A smaller lr (--lr) usually prevents it."

COLUMNS = {
    "backend": Column("backend", wraps=True),
    "framework_version": Column("version", hide=2),
    "seconds_per_epoch": Column("s/epoch", right=True, hide=4),
    "train_loss": Column("train loss", right=True, hide=5),
    "train_accuracy": Column("train acc", right=True, hide=3),
    "test_accuracy": Column("test acc", right=True),
    "peak_rss_bytes": Column("peak MB", right=True, hide=1),
}
"""The columns before those of the lockstep checks, by the field of the row that they show."""
SPEED_COLUMNS = ("seconds_per_epoch", "peak_rss_bytes")
"""The columns that the main job fills from its runs in float32."""
DIGITS, MORE_DIGITS = 4, 6
"""Decimal places of the loss: more in the main job, because all frameworks agree in them."""


def comparison_table(summary: dict[str, Any]) -> FittedTable:
    """The table of a summary: one row per variant.

    In the main job the headings say which figures are from the runs in float64, and which from
    those in float32.
    """
    speed, rows = summary.get("speed"), summary["backends"]
    columns = dict(COLUMNS)
    if any(row["status"] != "ok" for row in rows.values()):
        columns["framework_version"] = Column("version")  # a failed row has its status there
    last = {}
    if speed:
        last = {name: _of_dtype(columns.pop(name), speed["dtype"]) for name in SPEED_COLUMNS}
        for name in ("train_loss", "train_accuracy", "test_accuracy"):
            columns[name] = _of_dtype(columns[name], summary["recipe"]["dtype"])
    # Each variant has one check of the first steps: concise ones without noise, others with noise.
    checks = [
        found
        for what in ("first steps", WHOLE_RUN)
        if (found := [check for check in summary["lockstep"] if check["what"].startswith(what)])
    ]
    if speed and len(checks) == 2 and _says_less(checks[0]):
        del checks[0]
    shown = list(columns.values())
    shown += [
        Column(f"|ΔW| at step {found[0]['steps']:,}", right=True, wraps=True) for found in checks
    ]
    table = FittedTable(table_title(summary), [*shown, *last.values()])
    for name, row in rows.items():
        cells = [title(name), *_cells(row, columns, MORE_DIGITS if speed else DIGITS)]
        cells += [_difference(found, name) for found in checks]
        if speed:
            cells += _cells(speed["backends"].get(name, {"status": ""}), last, DIGITS)
        table.add_row(*cells)
    return table


def _says_less(first_steps: list[dict[str, Any]]) -> bool:
    """Whether a check of the whole run says all that these checks say."""
    return len(first_steps) == 1 and all(first_steps[0]["in_lockstep"].values())


def _of_dtype(column: Column, dtype: str) -> Column:
    return replace(column, header=f"{column.header}\n{dtype}")


def table_title(summary: dict[str, Any]) -> str:
    """The settings of the runs in one line, with a warning if the data are the stand-in."""
    recipe = summary["recipe"]
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
        _epochs(recipe["num_epochs"]),
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
    settings = ", ".join(parts)
    if speed := summary.get("speed"):
        epochs = _epochs(speed["num_epochs"])
        settings += f"; speed and memory from {epochs} in {speed['dtype']}"
    return settings


def data_title(result: dict[str, Any]) -> str:
    """The dataset of a run or a comparison, and its size."""
    known = {"fashion-mnist": "Fashion-MNIST", "stand-in": "STAND-IN DATA, NOT Fashion-MNIST"}
    name = known.get(result["dataset"], result["dataset"])
    return f"{name} ({result['train_size']:,}/{result['test_size']:,} images)"


def _epochs(number: int) -> str:
    return "1 epoch" if number == 1 else f"{number} epochs"


def _list(values: list[float]) -> str:
    return "/".join(f"{value:g}" for value in values)


def _cells(row: dict[str, Any], columns: Iterable[str], digits: int) -> list[str | Text]:
    """The cells of a row in these columns of COLUMNS, except the backend's name."""
    names = [name for name in columns if name != "backend"]
    if row["status"] != "ok":
        return [Text(printable(row["status"]), style="bold red"), *[""] * (len(names) - 1)]
    cells: dict[str, str | Text] = {
        "framework_version": row["framework_version"],
        "seconds_per_epoch": f"{row['seconds_per_epoch']:.2f}",
        "train_loss": _train_loss(row, digits),
        "train_accuracy": f"{row['train_accuracy']:.4f}",
        "test_accuracy": f"{row['test_accuracy']:.4f}",
        "peak_rss_bytes": f"{row['peak_rss_bytes'] / 1e6:,.0f}",
    }
    return [cells[name] for name in names]


def _train_loss(row: dict[str, Any], digits: int) -> str | Text:
    if (steps := row.get("diverged_after")) is not None:
        return Text(diverged_after(steps), style="bold yellow")
    loss = or_nan(row["train_loss"])
    return f"{loss:.{digits}f}" if loss < 1e5 else f"{loss:.3e}"  # it has grown, but is finite


def or_nan(value: float | None) -> float:
    """``value``, or NaN if it is None: JSON stores NaN as null."""
    return math.nan if value is None else value


def _difference(checks: list[dict[str, Any]], row: str) -> Text:
    for check in checks:
        if row in check["difference"]:
            diverged = check.get("diverged_after", {}).get(row) is not None
            text = "diverged" if diverged else f"{or_nan(check['difference'][row]):.1e}"
            if check["in_lockstep"][row]:
                return Text(text)
            return Text(f"{text} APART", style="bold red")
    return Text()


def remarks(summary: dict[str, Any]) -> list[str]:
    """The lines below the table: the lockstep checks, what is missing, what failed and why."""
    lines = []
    for check in summary["lockstep"]:
        lines += [*_remarks_on(check), *_first_differences(check)]
    if unlike := summary.get("diverged_unlike_numpy"):
        numpys = summary["backends"]["numpy"]["diverged_after"]
        ended = "did not diverge" if numpys is None else diverged_after(numpys)
        lines.append(f"NumPy's training {ended}, unlike the training of {_titles(unlike)}.")
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
    lines += _conformance(summary)
    if summary["problem"]:
        lines.append(summary["problem"])
    lines += [
        f"{title(backend)} {row['status']}: {row['error']}"
        for backend, row in summary["backends"].items()
        if "error" in row
    ]
    return [printable(line) for line in lines]


def _conformance(summary: dict[str, Any]) -> list[str]:
    """The conformance states of the backends, one line per state; an old summary has none."""
    states: dict[str, str] = summary.get("conformance", {})
    lines = []
    for state in dict.fromkeys(states.values()):
        names = [name for name in states if states[name] == state]
        command = f"d2ldrop conformance {names[0] if len(names) == 1 else 'NAME'}"
        what = "judges it" if state == "not run" else "shows where"
        more = "" if state.startswith("passed") else f"; {command} {what}"
        lines.append(f"Conformance of {_titles(names)}: {state}{more}.")
    return lines


def _remarks_on(check: dict[str, Any]) -> list[str]:
    """The lines about one lockstep check; rows that did not get so far are not measured."""
    measured = [row for row in check["in_lockstep"] if row in check["difference"]]
    apart = [row for row in measured if not check["in_lockstep"][row]]
    missing = _titles(row for row in check["in_lockstep"] if row not in measured)
    what = "Concise, without noise: " if "without noise" in check["what"] else ""
    begin = f"{what}after {check['steps']:,} steps in float64"
    if not measured:
        return [_sentence(f"{begin} nothing is compared: {missing} did not get so far.")]
    unmeasured = f" (not measured: {missing})" if missing else ""
    verdict = f"NOT in lockstep: {', '.join(_how_it_ended(check, row) for row in apart)}"
    if (numpys := check.get("numpy_diverged_after")) is not None:
        alike = [row for row in measured if row not in [*apart, "numpy"]]
        return [
            _sentence(
                f"{what}check of {check['steps']:,} steps in float64: "
                f"NumPy {diverged_after(numpys)} (its loss is no longer finite)"
                f"{f', and so did {_titles(alike)}' if alike else ''}{unmeasured}. "
                f"{f'{verdict}. ' if apart else ''}{SMALLER_LR}"
            )
        ]
    if not apart:
        verdict = f"{_titles(measured) if missing else 'all'} in lockstep"
    size = f"differs by {or_nan(check['yardstick']):.1e} from itself"
    if check["yardstick"] == math.inf:
        size = "diverges"
    lines = [
        _sentence(
            f"{begin} {verdict}{unmeasured}: largest difference of a weight from NumPy's, at most "
            f"{check['limit']:.1e} (NumPy {size} after a nudge of one rounding error)."
        )
    ]
    if check["yardstick"] > LIMIT:
        lines.append(
            "That is chaos: on any framework, rounding alone decides where such a run ends. "
            f"{SMALLER_LR}"
        )
    return lines


def _first_differences(check: dict[str, Any]) -> list[str]:
    """Where each variant that is not in lockstep differs first; an old summary does not say it."""
    differs = check.get("differs_first", {})
    return [f"{title(row)} {where}." for row, where in differs.items() if where]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _how_it_ended(check: dict[str, Any], row: str) -> str:
    """The name of a variant that is not in lockstep, and whether it diverged."""
    steps = check.get("diverged_after", {}).get(row)
    if steps is not None:
        return f"{title(row)} ({diverged_after(steps)})"
    numpy_diverged = check.get("numpy_diverged_after") is not None
    return title(row) + (" (did not diverge)" if numpy_diverged else "")


def _titles(rows: Iterable[str]) -> str:
    return ", ".join(title(row) for row in rows)
