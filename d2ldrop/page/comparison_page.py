"""The page of a comparison, and of a single run."""

from __future__ import annotations

from typing import Any

from d2ldrop.comparison.table import comparison_table, remarks
from d2ldrop.core.files import damaged
from d2ldrop.page.charts import page_charts
from d2ldrop.page.code_section import code_section
from d2ldrop.page.evidence import filters, masks, predictions, samples_of
from d2ldrop.page.recorded import (
    data_facts,
    files_of,
    machine_facts,
    recipe_facts,
    version_facts,
)
from d2ldrop.page.results import ComparisonResults
from d2ldrop.page.sections import REPORT, Page, Section
from d2ldrop.page.tables import INCOMPLETE, HtmlTable, html_table
from d2ldrop.page.verdict import verdict


def comparison_page(results: ComparisonResults, kind: str = "comparison") -> Page:
    """The page of a comparison, with what can be read of it.

    Args:
        results: what was read.
        kind: "comparison", or "run" for a run of ``d2ldrop train``, which has no verdict.
    """
    summary = results.summary
    problems = list(results.problems)
    table = _table(results, problems)
    sections = [] if table is None else [Section("table", "table", "table.html", table)]
    if charts := page_charts(results):
        sections.append(Section("charts", "charts", "charts.html", charts))
    sections += _evidence(results, problems)
    if (code := code_section(summary["backends"])).functions:
        sections.append(Section("code", "code", "code.html", code))
    sections += _recorded(results)
    return Page(
        kind=kind,
        title=results.folder.name,
        subtitle=table.title if table else "",
        sections=sections,
        problems=tuple(problems),
        verdict=tuple(verdict(summary)) if kind == "comparison" else (),
        stand_in=summary.get("dataset") == "stand-in",
    )


def _table(results: ComparisonResults, problems: list[str]) -> HtmlTable | None:
    """The table; if the summary lacks a part of it, None, and a sentence in ``problems``."""
    summary = results.summary
    try:
        return html_table(comparison_table(summary), remarks(summary))
    except INCOMPLETE as error:
        problem = f"lacks a part of its table ({type(error).__name__}: {error})"
        problems.append(str(damaged(results.folder / "summary.json", problem)))
        return None


def _evidence(results: ComparisonResults, problems: list[str]) -> list[Section]:
    """The sections of masks, filters and predictions."""
    runs = results.runs or results.speed_runs
    if not runs:
        return []
    samples = samples_of(runs, problems)
    sections = [Section("masks", "masks", "masks.html", masks(samples))]
    if (shown := filters(runs)) is not None:
        sections.append(Section("filters", "filters", "filters.html", shown))
    sections.append(Section("predictions", "predictions", "predictions.html", predictions(samples)))
    return sections


def _recorded(results: ComparisonResults) -> list[Section]:
    """The sections of recipe, versions, machine, data and files."""
    summary = results.summary
    facts: dict[str, Any] = {
        "facts_recipe": recipe_facts(summary["recipe"]),
        "facts_machine": machine_facts(summary),
        "facts_data": data_facts(summary),
        "facts_versions": version_facts(results.runs or results.speed_runs),
    }
    shown = {name: found for name, found in facts.items() if found}
    return [
        Section("recorded", "recorded", "facts.html", shown),
        Section("files", "files", "files.html", files_of(results.folder, frozenset({REPORT}))),
    ]
