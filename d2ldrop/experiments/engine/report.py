"""What an experiment leaves: a table, a figure (PNG and SVG), a JSON file, two sentences."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from d2ldrop.comparison.table import data_title
from d2ldrop.core.files import dump_json, write_bytes
from d2ldrop.experiments.engine.execution import Plan
from d2ldrop.experiments.engine.experiment import Experiment, Results
from d2ldrop.experiments.engine.statistics import Comparison, compare
from d2ldrop.frameworks import title

Tables = dict[str, dict[str, Comparison]]


def judge(experiment: Experiment, results: Results) -> Tables:
    """For each metric its entries, beside the baseline."""
    found = {}
    for metric in experiment.metrics:
        entries = experiment.entries(results, metric)
        found[metric] = compare(entries, experiment.baselines(entries))
    return found


def table(plan: Plan, experiment: Experiment, results: Results, tables: Tables) -> Table:
    """A row an entry: mean, interval, difference from the baseline, p of the paired test."""
    n = len(results.seeds)
    about = f"{title(plan.backend)}, {data_title(plan.to_dict())}, {_seeds(n)}"
    shown = Table(title=f"{experiment.question}\n{about}", title_justify="left")
    mean = "mean [95 % interval]" if n > 1 else "value"
    for column in ("metric", "what", mean, f"less '{escape(experiment.baseline)}'", "p"):
        shown.add_column(column, overflow="fold")
    for metric, entries in tables.items():
        shown.add_section()
        for i, (name, comparison) in enumerate(entries.items()):
            shown.add_row(
                experiment.metrics[metric] if i == 0 else "",
                escape(name),
                escape(str(comparison.estimate)),
                "" if comparison.difference is None else escape(str(comparison.difference)),
                _p(comparison),
            )
    return shown


def _seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n} seeds"


def _p(comparison: Comparison) -> str:
    if comparison.p is None:
        return ""
    text = f"{comparison.p:.3f}" if comparison.p >= 0.001 else f"{comparison.p:.0e}"
    return f"[bold]{text} *[/]" if comparison.significant else text


def remarks(experiment: Experiment, results: Results, tables: Tables) -> list[str]:
    """What follows, and what does not."""
    if len(results.seeds) < 2:
        return ["One seed gives no confidence interval and no test: --seeds 5 gives both."]
    compared = max(
        sum(entry.difference is not None for entry in entries.values())
        for entries in tables.values()
    )
    test = "p: paired t-test over seeds" + (
        f", Holm's correction for {compared} comparisons; * below 0.05" if compared > 1 else ""
    )
    return [test + ".", experiment.conclude(results)]


def save(
    plan: Plan, experiment: Experiment, results: Results, tables: Tables, folder: Path
) -> None:
    """Write ``result.json``, ``figure.png`` and ``figure.svg``."""
    enough = len(results.seeds) > 1
    result: dict[str, Any] = {
        **plan.to_dict(),
        "question": experiment.question,
        "seeds": results.seeds,
        "baseline": experiment.baseline,
        "metrics": dict(experiment.metrics),
        "tables": {
            metric: {name: asdict(comparison) for name, comparison in entries.items()}
            for metric, entries in tables.items()
        },
        "conclusion": experiment.conclude(results) if enough else None,
        "runs": [
            {"arm": arm.name, "seed": seed, **results.runs[arm.name, seed]}
            for arm in results.arms
            for seed in results.seeds
        ],
    }
    write_bytes(folder / "result.json", dump_json(result, indent=2).encode())
    figure = experiment.draw(results)
    figure.suptitle(f"{title(plan.backend)}, {data_title(plan.to_dict())}", fontsize=9)
    for kind in ("png", "svg"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=150)
        write_bytes(folder / f"figure.{kind}", buffer.getvalue())
