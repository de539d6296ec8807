"""The charts of a page: pictures, tooltips, legends and tables."""

from __future__ import annotations

import json
import re
import string
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest

from d2ldrop.page.chart_words import CHART_WORDS
from d2ldrop.page.charts import TABLE_ROWS, Chart, PagePanel, page_charts
from d2ldrop.page.panels import POINTS
from d2ldrop.page.results import ComparisonResults, read_comparison
from tests.page.chart_runs import Losses, invented_losses, write_comparison

EPOCHS = 60  # 600 steps: more than POINTS
WHOLE_RUN = {
    "what": "whole run",
    "steps": 10 * EPOCHS,
    "difference": {},
    "in_lockstep": {},
    "quantities": {"loss": {"yardstick": 1e-9}},
}


def four(num_epochs: int, difference: float) -> dict[str, Losses]:
    names = ("numpy", "torch", "jax", "jax-concise")
    return {
        name: invented_losses(num_epochs, difference * index, seed=index)
        for index, name in enumerate(names)
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> ComparisonResults:
    """A main job: float64, and fewer epochs of float32, in which one framework diverges."""
    folder = tmp_path_factory.mktemp("main")
    speed = four(3, 1e-2)
    speed["jax"][12:] = np.nan
    write_comparison(folder, four(EPOCHS, 1e-12), "float64", speed, lockstep=[WHOLE_RUN])
    return read_comparison(folder)


@pytest.fixture(scope="module")
def charts(results: ComparisonResults) -> dict[str, Chart]:
    return {chart.key: chart for chart in page_charts(results)}


def panels(charts: dict[str, Chart]) -> list[PagePanel]:
    return [panel for chart in charts.values() for panel in chart.panels]


def panel_of(chart: Chart, key: str) -> PagePanel:
    return next(panel for panel in chart.panels if panel.key == f"chart-{chart.key}-{key}")


def rendered(charts: list[Chart]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("d2ldrop.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("charts.html").render(data=charts)


class Elements(HTMLParser):
    """All tags of a page with their attributes, and the contents of its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts.append(data)

    def all(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


@pytest.mark.parametrize("key", ["train_loss", "train_accuracy", "test_accuracy"])
def test_the_tooltip_has_the_values_of_the_runs(
    results: ComparisonResults, charts: dict[str, Chart], key: str
) -> None:
    lines = {line["title"]: line for line in panel_of(charts["curves"], key).data["lines"]}
    names = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX", "jax-concise": "JAX concise"}
    for dtype, folder in (("float64", results.folder), ("float32", results.folder / "float32")):
        for name, title in names.items():
            saved = json.loads((folder / name / "result.json").read_text("utf-8"))["epochs"]
            line = lines[f"{title}, {dtype}"]
            assert line["values"] == [epoch[key] for epoch in saved]
            assert line["keys"] == [name, f"dtype {dtype}"]


def test_a_diverged_run_has_gaps(charts: dict[str, Chart]) -> None:
    panel = panel_of(charts["curves"], "train_loss")
    (line,) = [one for one in panel.data["lines"] if one["title"] == "JAX, float32"]
    assert isinstance(line["values"][0], float)
    assert line["values"][1:] == [None, None]
    table = charts["curves"].tables[0]
    column = [name for name, _ in table.header].index("JAX, float32")
    assert [row[column] for row in table.rows[1:4]] == ["NaN", "NaN", "–"]
    assert "NaN stands for" in charts["curves"].caption[0]
    json.dumps(panel.data, allow_nan=False)


def test_the_tooltip_knows_where_each_x_is(charts: dict[str, Chart]) -> None:
    """The vertical grid line of epoch 20 is where the tooltip expects epoch 20."""
    panel = panel_of(charts["curves"], "train_loss")
    data = panel.data
    left, right, *_ = data["box"]
    place = left + (right - left) * data["at"][data["labels"].index("20")] / 100
    for picture in panel.pictures.values():
        width = float(re.findall(r'viewBox="0 0 ([\d.]+) ', picture)[0])
        (label,) = re.findall(r'x="([\d.]+)"[^>]*>20</text>', picture)
        assert 100 * float(label) / width == pytest.approx(place, abs=0.1)


def test_many_steps_are_thinned_out(charts: dict[str, Chart], results: ComparisonResults) -> None:
    runs, speed = charts["agreement"].panels
    count = -(-10 * EPOCHS // POINTS)
    assert [len(runs.data[key]) for key in ("at", "labels")] == [10 * EPOCHS // count] * 2
    assert runs.data["labels"][0] == f"1–{count}"
    assert f"up to {count} steps" in charts["agreement"].caption[0]
    distance = np.abs(results.runs["torch"].losses - results.runs["numpy"].losses)
    assert runs.data["lines"][0]["values"] == distance.reshape(-1, count).max(axis=1).tolist()
    assert speed.data["labels"][:2] == ["1", "2"]
    assert all(len(table.rows) <= TABLE_ROWS for table in charts["agreement"].tables)


def test_the_yardstick_is_in_float64_only(charts: dict[str, Chart]) -> None:
    runs, speed = charts["agreement"].panels
    assert ['data-line="yardstick"' in p.pictures["log"] for p in (runs, speed)] == [True, False]
    assert charts["agreement"].legend[-1].label[0] == "yardstick: 1.0e-09"


def test_the_legend_says_which_lines_are_thick(charts: dict[str, Chart]) -> None:
    labels = [entry.label[0] for entry in charts["curves"].legend]
    assert labels[:2] == ["NumPy", "PyTorch"]
    assert labels[4:] == ["float64: thick line", "float32: thin lines"]


def test_each_line_is_in_each_picture_and_in_the_legend(charts: dict[str, Chart]) -> None:
    legend = {entry.key for chart in charts.values() for entry in chart.legend}
    for panel in panels(charts):
        for line in panel.data["lines"]:
            assert set(line["keys"]) <= legend
            for picture in panel.pictures.values():
                assert f'data-line="{line["line"]}"' in picture
    assert [list(panel.pictures) for panel in panels(charts)] == [
        ["linear", "log"],
        ["linear"],
        ["linear"],
        ["log", "linear"],
        ["log", "linear"],
        ["linear"],
        ["linear"],
    ]


def test_ids_are_unique_and_references_lead_somewhere(charts: dict[str, Chart]) -> None:
    html = rendered(list(charts.values()))
    page = Elements(html)
    ids = page.all("id")
    assert len(ids) == len(set(ids)) > 50
    wanted = [
        name
        for attribute in ("aria-labelledby", "aria-describedby")
        for name in page.all(attribute)
    ]
    wanted += [link.removeprefix("#") for link in page.all("xlink:href")]
    wanted += re.findall(r"url\(#([^)]+)\)", html)
    assert set(wanted) <= set(ids)
    assert len(wanted) > 100


def test_pictures_take_the_colours_and_the_width_of_the_page(charts: dict[str, Chart]) -> None:
    page = Elements(rendered(list(charts.values())))
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all("viewbox" in one and "width" not in one for one in pictures)
    assert not any(tag in ("style", "metadata", "img", "link") for tag, _ in page.tags)
    colours = {part for style in page.all("style") for part in style.split("; ")}
    assert "stroke: currentColor" in colours
    assert not {colour for colour in colours if "#000000" in colour or "#ffffff" in colour}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_markup_in_a_title_stays_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "</script><img src=x onerror=alert(1)>$&"
    for module in ("panels", "charts"):
        monkeypatch.setattr(f"d2ldrop.page.{module}.title", lambda name: f"{evil}{name}")
    write_comparison(tmp_path, {"torch": invented_losses(1), "jax": invented_losses(1, 1e-3)})
    charts = page_charts(read_comparison(tmp_path))
    page = Elements(rendered(charts))
    assert "img" not in [tag for tag, _ in page.tags]
    data: list[dict[str, Any]] = [json.loads(script) for script in page.scripts if script.strip()]
    titles = {line["title"] for panel in data for line in panel["lines"]}
    assert titles == {f"{evil}torch", f"{evil}jax"}
    assert charts[1].caption[0].count(evil) == 2  # NumPy is missing, and the caption says so


def test_without_javascript_the_first_scale_is_shown(charts: dict[str, Chart]) -> None:
    page = Elements(rendered(list(charts.values())))
    pictures = [
        attributes for _, attributes in page.tags if attributes.get("class") == "chart-picture"
    ]
    shown = [one["data-scale"] for one in pictures if "hidden" not in one]
    assert shown == ["linear", "linear", "linear", "log", "log", "linear", "linear"]
    buttons = [attributes for tag, attributes in page.tags if tag == "button"]
    assert len(buttons) == 3 + 6 + 4  # scales, and two legends
    assert all("disabled" in one for one in buttons)


def test_there_is_no_chart_without_a_run(tmp_path: Path) -> None:
    write_comparison(tmp_path, {"numpy": invented_losses(1)})
    results = read_comparison(tmp_path)
    assert [chart.key for chart in page_charts(results)] == ["curves", "time"]
    results.runs.clear()
    assert page_charts(results) == []
    assert rendered([]).strip() == ""


def test_both_languages_have_the_same_fields() -> None:
    def fields(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}

    for english, chinese in CHART_WORDS.values():
        assert fields(english) == fields(chinese)
