"""The page of a running comparison: states, the table so far, and the curves so far."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from d2ldrop.comparison.request import SPEED_DTYPE
from d2ldrop.comparison.table import comparison_table, remarks
from d2ldrop.frameworks import title
from d2ldrop.page.charts import curves_chart
from d2ldrop.page.frame import live_script, render
from d2ldrop.page.live_state import LiveState, Snapshot
from d2ldrop.page.observers import Epoch, run_folder
from d2ldrop.page.results import ComparisonResults, TrainedRun
from d2ldrop.page.sections import REPORT, Page, Section
from d2ldrop.page.tables import html_table

ENDED = ("ok", "failed")
"""The status of a row that has figures or an error."""


@dataclass(frozen=True)
class Status:
    """What ``templates/live_status.html`` shows.

    Attributes:
        variants: title, state and percent of each variant.
        news: the title and the state of the variant that changed last.
        ended: whether the comparison has ended.
        report: the path of the report.
    """

    variants: list[tuple[str, str, int | None]]
    news: tuple[str, str] | None
    ended: bool
    report: str


class LivePage:
    """Renders the state. Curves and table are drawn once for each of their changes."""

    def __init__(self, state: LiveState) -> None:
        self._state = state
        self._lock = threading.Lock()  # one thread draws, and the others take what it has drawn
        self._version = -1
        self._html = ""
        self._drawn = -1
        self._sections: list[Section] = []

    def html(self) -> str:
        """The page of the present state."""
        with self._lock:
            now = self._state.snapshot()
            if now.version != self._version:
                self._html, self._version = self._render(now), now.version
            return self._html

    def _render(self, now: Snapshot) -> str:
        if now.drawn != self._drawn:
            self._sections, self._drawn = _results(now), now.drawn
        status = Section("live", "live_status", "live_status.html", _status(now))
        summary = now.summary or {}
        page = Page(
            kind="comparison",
            title=summary.get("name", "d2ldrop"),
            subtitle="",
            sections=[status, *self._sections],
            stand_in=summary.get("dataset") == "stand-in",
        )
        return render("report.html", more_scripts=[live_script()], **vars(page))


def _status(now: Snapshot) -> Status:
    folder = Path(now.summary["folder"]) if now.summary else Path()
    variants = [(title(name), one.state, one.percent) for name, one in now.variants.items()]
    news = (title(now.news[0]), now.news[1]) if now.news else None
    return Status(variants, news, now.ended, str(folder / REPORT))


def _results(now: Snapshot) -> list[Section]:
    """The table and the curves so far."""
    if now.summary is None:
        return []
    sections = []
    ended = {n: row for n, row in now.summary["backends"].items() if row["status"] in ENDED}
    if ended or now.ended:  # the progress above says which variants wait
        summary = now.summary if now.ended else {**now.summary, "backends": ended}
        table = html_table(comparison_table(summary), remarks(summary) if now.ended else ())
        sections.append(Section("table", "table", "table.html", table))
    runs, speed = _runs(now, "train"), _runs(now, "speed")
    results = ComparisonResults(Path(now.summary["folder"]), now.summary, runs, speed, ())
    if (curves := curves_chart(results)) is not None:
        sections.append(Section("charts", "live_curves", "charts.html", [curves]))
    return sections


def _runs(now: Snapshot, phase: str) -> dict[str, TrainedRun]:
    """The runs so far as the charts take them: epochs and recipe, no losses, no weights."""
    assert now.summary is not None  # asked before
    dtype = SPEED_DTYPE if phase == "speed" else now.summary["recipe"]["dtype"]
    recipe = {**now.summary["recipe"], "dtype": dtype}
    folder = Path(now.summary["folder"])
    return {
        name: TrainedRun(
            name, run_folder(folder, phase, name), _result(recipe, epochs), np.empty(0), {}
        )
        for (one, name), epochs in now.epochs.items()
        if one == phase and name in now.summary["backends"]
    }


def _result(recipe: dict[str, Any], epochs: list[Epoch]) -> dict[str, Any]:
    return {"recipe": recipe, "epochs": epochs}
