"""The pages of experiments and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2ldrop.core.files import DamagedFileError, check_fields, damaged, read_json
from d2ldrop.experiments import ABOUT
from d2ldrop.page.images import file_picture
from d2ldrop.page.recorded import Fact, data_facts, files_of, machine_facts, recipe_facts
from d2ldrop.page.sections import REPORT, Page, Section
from d2ldrop.page.tables import INCOMPLETE, HtmlTable, html_table
from d2ldrop.training.folder import NamedFolder
from d2ldrop.training.markers import check_later_fields

RESULT_FIELDS: dict[str, type] = {
    "experiment": str,
    "backend": str,
    "recipe": dict,
    "question": str,
    "baseline": str,
    "metrics": dict,
    "seeds": list,
    "tables": dict,
}
"""The fields that an experiment's ``result.json`` must have."""
NOT_LISTED = frozenset({REPORT})
LARGEST_FIGURE = 1_500_000
"""Bytes: base64 makes a third more of them, and the page stays below 3 MB."""


@dataclass(frozen=True)
class Figure:
    """A picture of the folder: its data URI, and the text of those who do not see it."""

    uri: str
    alt: str


def experiment_page(folder: Path) -> Page:
    """The page of an experiment: its conclusion, table, figure and recipe.

    Raises:
        DamagedFileError: ``plan.json`` is damaged, or a newer version wrote it.
    """
    plan = NamedFolder(folder, "experiment").read()
    assert plan is not None  # kind_of has found the file
    problems: list[str] = []
    result = _experiment_result(folder / "result.json", problems)
    content = result or plan
    name: str = content["experiment"]
    question: str = content.get("question") or ABOUT.get(name, name)
    sections, about = _answer(folder, result, problems) if result else ([], "")
    facts = {
        "facts_recipe": recipe_facts(content["recipe"]),
        "facts_machine": machine_facts(content),
        "facts_data": data_facts(content),
    }
    return Page(
        kind="experiment",
        title=question,
        subtitle=", ".join(filter(None, [f"{folder.name}: {name}", about])),
        sections=[*sections, *_recorded(folder, facts)],
        problems=tuple(problems),
        stand_in=content.get("dataset") == "stand-in",
    )


def _experiment_result(path: Path, problems: list[str]) -> dict[str, Any] | None:
    """The content of ``result.json``; None, and a sentence in ``problems``, if there is none."""
    remedy = "delete it, and resume=True (--resume) makes it again"
    if not path.exists():
        problems.append(f"{path} is missing: the experiment is not finished")
        return None
    try:
        content: dict[str, Any] = read_json(path, remedy)
        check_fields(path, content, RESULT_FIELDS, remedy)
        check_later_fields(path, content, remedy)
    except DamagedFileError as error:
        problems.append(str(error))
        return None
    return content


def _answer(
    folder: Path, content: dict[str, Any], problems: list[str]
) -> tuple[list[Section], str]:
    """The sections of conclusion, table and figure, and the settings in one line."""
    from d2ldrop.experiments.engine.results_table import saved_remarks, saved_table

    sections = []
    if content.get("conclusion"):
        text = str(content["conclusion"])
        sections.append(Section("conclusion", "conclusion", "conclusion.html", text))
    path = folder / "result.json"
    table = _table(path, lambda: html_table(saved_table(content), saved_remarks(content)), problems)
    figure = _figure(folder, ("figure.svg", "figure.png"), content["question"], problems)
    about = table.title.partition("\n")[2] if table else ""
    return [*sections, *_shown(table, figure)], about


def benchmark_page(folder: Path) -> Page:
    """The page of a benchmark: its table and picture.

    Raises:
        DamagedFileError: ``bench.json`` is damaged or of a newer version.
    """
    from d2ldrop.bench.tables import remarks
    from d2ldrop.bench.tables import table as bench_table

    content = NamedFolder(folder, "benchmark").read()
    assert content is not None  # kind_of has found the file
    problems: list[str] = []
    path = folder / "bench.json"
    table = _table(path, lambda: html_table(bench_table(content), remarks(content)), problems)
    heading = table.title if table else content["kind"]
    facts = {"facts_machine": machine_facts(content), "facts_data": _data_of_benchmark(content)}
    return Page(
        kind="benchmark",
        title=heading,
        subtitle=f"{folder.name}: bench {content['kind']}",
        sections=[
            *_shown(table, _figure(folder, ("bench.png",), heading, problems)),
            *_recorded(folder, facts),
        ],
        problems=tuple(problems),
        stand_in=content.get("dataset") == "stand-in",
    )


def _data_of_benchmark(content: dict[str, Any]) -> list[Fact]:
    """The dataset and the rounds of a benchmark, as far as they are recorded."""
    names = {"fact_dataset": "dataset", "fact_train_size": "train_size", "fact_rounds": "rounds"}
    return [Fact(key, str(content[name])) for key, name in names.items() if name in content]


def _table(path: Path, make: Callable[[], HtmlTable], problems: list[str]) -> HtmlTable | None:
    """The table; if the file lacks a part of it, None, and a sentence in ``problems``."""
    try:
        return make()
    except INCOMPLETE as error:
        problem = f"lacks a part of its table ({type(error).__name__}: {error})"
        problems.append(str(damaged(path, problem)))
        return None


def _figure(folder: Path, names: Sequence[str], alt: str, problems: list[str]) -> Figure | None:
    """The first of the pictures that exists and is small enough for the page."""
    for name in names:
        path = folder / name
        if path.exists() and path.stat().st_size <= LARGEST_FIGURE:
            return Figure(file_picture(path), alt)
    problems.append(f"{folder / names[-1]} is missing, or too large for this page")
    return None


def _shown(table: HtmlTable | None, figure: Figure | None) -> list[Section]:
    sections = []
    if table is not None:
        sections.append(Section("table", "table", "table.html", table))
    if figure is not None:
        sections.append(Section("figure", "figure", "figure.html", figure))
    return sections


def _recorded(folder: Path, facts: Mapping[str, list[Fact]]) -> list[Section]:
    shown = {name: found for name, found in facts.items() if found}
    return [
        Section("recorded", "recorded", "facts.html", shown),
        Section("files", "files", "files.html", files_of(folder, NOT_LISTED)),
    ]
