"""The results of an experiment as a table on the terminal, with remarks."""

from __future__ import annotations

import math
from typing import Any

from rich.text import Text

from d2ldrop.comparison.layout import Column, FittedTable
from d2ldrop.comparison.table import data_title
from d2ldrop.experiments.engine.definition import Experiment
from d2ldrop.experiments.engine.plan import Plan
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.sentences import left_out
from d2ldrop.experiments.engine.statistics import ComparedEntry, Estimate, compare_entries
from d2ldrop.frameworks import title

ComparedMetrics = dict[str, dict[str, ComparedEntry]]
"""The entries of each metric's table."""
ALONE = "One seed gives no confidence interval and no test: --seeds 5 gives both."


def compare_metrics(experiment: Experiment, results: Results) -> ComparedMetrics:
    """Compare the entries of each metric with their baselines."""
    compared = {}
    for metric in experiment.metrics:
        entries = experiment.entries(results, metric)
        compared[metric] = compare_entries(entries, experiment.baselines(entries))
    return compared


def results_table(plan: Plan, results: Results, compared: ComparedMetrics) -> FittedTable:
    """Return one row per entry: mean, interval, difference from the baseline, and p."""
    experiment = plan.experiment
    return _table(
        {
            **plan.to_dict(),
            "question": experiment.question,
            "baseline": experiment.baseline,
            "metrics": experiment.metrics,
            "seeds": results.seeds,
        },
        compared,
    )


def saved_table(content: dict[str, Any]) -> FittedTable:
    """Return the table of ``results_table``, from the content of an experiment's ``result.json``.

    Raises:
        KeyError, TypeError: a part of the table is missing.
    """
    return _table(content, _saved_metrics(content))


def _saved_metrics(content: dict[str, Any]) -> ComparedMetrics:
    return {
        metric: {name: _saved_entry(entry) for name, entry in entries.items()}
        for metric, entries in content["tables"].items()
    }


def _saved_entry(entry: dict[str, Any]) -> ComparedEntry:
    difference = entry["difference"]
    return ComparedEntry(
        _saved_estimate(entry["estimate"]),
        None if difference is None else _saved_estimate(difference),
        entry["p"],
    )


def _saved_estimate(saved: dict[str, Any]) -> Estimate:
    mean, interval = saved["mean"], saved["interval"]
    return Estimate(
        math.nan if mean is None else mean,  # JSON stores NaN as null
        None if interval is None else (interval[0], interval[1]),
        saved.get("left_out", 0),
    )


def _table(content: dict[str, Any], compared: ComparedMetrics) -> FittedTable:
    """The table; ``content`` has the fields of ``result.json`` that it shows."""
    n = len(content["seeds"])
    seeds = "1 seed" if n == 1 else f"{n} seeds"
    about = f"{title(content['backend'])}, {data_title(content)}, {seeds}"
    mean = "mean [95 % interval]" if n > 1 else "value"
    columns = (
        Column("metric", wraps=True),
        Column("entry", wraps=True),
        Column(mean),
        Column(f"minus '{content['baseline']}'"),
        Column("p"),
    )
    table = FittedTable(f"{content['question']}\n{about}", columns)
    for metric, entries in compared.items():
        for i, (name, entry) in enumerate(entries.items()):
            table.add_row(
                content["metrics"][metric] if i == 0 else "",
                name,
                _estimate(entry.estimate, n),
                "" if entry.difference is None else _number(entry.difference),
                _p(entry),
            )
        table.add_section()
    return table


def _estimate(estimate: Estimate, num_seeds: int) -> str:
    """The estimate, and how many runs it leaves out."""
    if not estimate.left_out:
        return str(estimate)
    diverged = f"{estimate.left_out} of {num_seeds} diverged"
    return diverged if math.isnan(estimate.mean) else f"{estimate} ({diverged})"


def _number(estimate: Estimate) -> str:
    return "" if math.isnan(estimate.mean) else str(estimate)


def _p(entry: ComparedEntry) -> Text:
    if entry.p is None:
        return Text()
    text = f"{entry.p:.3f}" if entry.p >= 0.001 else f"{entry.p:.0e}"
    return Text(f"{text} *", style="bold") if entry.significant else Text(text)


def remarks(plan: Plan, results: Results, compared: ComparedMetrics) -> list[str]:
    """Return the lines under the table: the test and the conclusion."""
    if len(results.seeds) < 2:
        return [ALONE, *filter(None, [left_out(results)])]
    return [_test(compared), plan.experiment.conclusion(results)]


def saved_remarks(content: dict[str, Any]) -> list[str]:
    """Return the line about the test, from the content of an experiment's ``result.json``."""
    if len(content["seeds"]) < 2:
        return [ALONE]
    return [_test(_saved_metrics(content))]


def _test(compared: ComparedMetrics) -> str:
    comparisons = max(
        sum(entry.difference is not None for entry in entries.values())
        for entries in compared.values()
    )
    test = "p: paired t-test over seeds"
    if comparisons > 1:
        test += f", Holm's correction for {comparisons} comparisons; * below 0.05"
    return f"{test}."
