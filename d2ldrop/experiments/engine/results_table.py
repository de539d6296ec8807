"""The results of an experiment as a table on the terminal, with remarks."""

from __future__ import annotations

import math

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


def compare_metrics(experiment: Experiment, results: Results) -> ComparedMetrics:
    """Compare the entries of each metric with their baselines."""
    compared = {}
    for metric in experiment.metrics:
        entries = experiment.entries(results, metric)
        compared[metric] = compare_entries(entries, experiment.baselines(entries))
    return compared


def results_table(plan: Plan, results: Results, compared: ComparedMetrics) -> FittedTable:
    """Return one row per entry: mean, interval, difference from the baseline, and p."""
    experiment, n = plan.experiment, len(results.seeds)
    seeds = "1 seed" if n == 1 else f"{n} seeds"
    about = f"{title(plan.backend)}, {data_title(plan.to_dict())}, {seeds}"
    mean = "mean [95 % interval]" if n > 1 else "value"
    columns = (
        Column("metric", wraps=True),
        Column("entry", wraps=True),
        Column(mean),
        Column(f"minus '{experiment.baseline}'"),
        Column("p"),
    )
    table = FittedTable(f"{experiment.question}\n{about}", columns)
    for metric, entries in compared.items():
        for i, (name, entry) in enumerate(entries.items()):
            table.add_row(
                experiment.metrics[metric] if i == 0 else "",
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
        alone = "One seed gives no confidence interval and no test: --seeds 5 gives both."
        return [alone, *filter(None, [left_out(results)])]
    comparisons = max(
        sum(entry.difference is not None for entry in entries.values())
        for entries in compared.values()
    )
    test = "p: paired t-test over seeds"
    if comparisons > 1:
        test += f", Holm's correction for {comparisons} comparisons; * below 0.05"
    return [f"{test}.", plan.experiment.conclusion(results)]
