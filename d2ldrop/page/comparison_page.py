"""The page of a comparison."""

from __future__ import annotations

from d2ldrop.comparison.table import comparison_table, remarks
from d2ldrop.page.results import ComparisonResults
from d2ldrop.page.sections import Page, Section
from d2ldrop.page.tables import html_table
from d2ldrop.page.verdict import verdict


def comparison_page(results: ComparisonResults) -> Page:
    """The page of a comparison, with what can be read of it."""
    summary = results.summary
    table = html_table(comparison_table(summary), remarks(summary))
    sections = [Section("table", "table", "table.html", table)]
    return Page(
        kind="comparison",
        title=results.folder.name,
        subtitle=table.title,
        sections=sections,
        problems=results.problems,
        verdict=tuple(verdict(summary)),
        stand_in=summary["dataset"] == "stand-in",
    )
