"""The page of a run folder: what it shows, what it escapes, and what it does with bad input."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from d2ldrop.cli.main import cli
from d2ldrop.cli.report import save_report
from d2ldrop.core.files import write_json, write_sealed
from d2ldrop.page import comparison_page
from d2ldrop.page.frame import ALL_WORDS, environment, fields
from d2ldrop.page.report import make_report, write_report
from d2ldrop.training.samples import Samples, write_samples
from tests.page.chart_runs import invented_losses, write_comparison

EVIL = "<script>alert('x')</script>&\"'"
RUNS = {"numpy": invented_losses(2), "torch": invented_losses(2)}


@pytest.fixture
def charts() -> None:
    """For a test that needs the charts, which take a while to draw."""


@pytest.fixture(autouse=True)
def no_charts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the charts, unless the test asks for them."""
    if "charts" not in request.fixturenames:
        monkeypatch.setattr(comparison_page, "page_charts", lambda _: [])


def a_check(what: str = "whole run", steps: int = 20, **in_lockstep: bool) -> dict[str, Any]:
    """A lockstep check of a summary, in which the other rows differ by 1e-12."""
    return {
        "what": what,
        "steps": steps,
        "yardstick": 1e-12,
        "limit": 1e-11,
        "difference": {name: 0.0 if name == "numpy" else 1e-12 for name in in_lockstep},
        "in_lockstep": in_lockstep,
    }


def small_samples(flipped: bool = False) -> Samples:
    """Two images, and a mask per hidden layer; a bit outside the picture may be flipped."""
    mask = np.random.default_rng(0).random((40, 70)) < 0.5
    if flipped:
        mask = mask.copy()
        mask[39, 69] ^= True
    mean = np.zeros((2, 10))
    mean[0, 3], mean[1, 7] = 0.75, 0.5
    images = np.zeros((2, 784), np.uint8)
    labels = np.array([3, 5], np.uint8)
    return Samples(images, labels, mean, mean / 8, 100, (mask, mask))


def add_samples(folder: Path, **flipped: bool) -> None:
    for name, flip in flipped.items():
        digest = json.loads((folder / name / "result.json").read_text())["digest"]
        write_samples(folder / name, small_samples(flip), digest)


class Page(HTMLParser):
    """The elements and the English text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._skip = 0
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._skip += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._skip -= 1

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.text += f"{data} "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(folder: Path) -> Page:
    return Page(make_report(folder).html)


def report(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["report", *arguments])


# What the page shows.


def test_verdict_and_table_are_those_of_the_summary(tmp_path: Path) -> None:
    write_comparison(tmp_path / "run", RUNS, lockstep=[a_check(numpy=True, torch=True)])
    text = page_of(tmp_path / "run").text
    assert (
        "In lockstep: after 20 steps in float64, no weight of PyTorch differs from NumPy's by more "
        "than 1.0e-12." in text
    )
    assert "After 20 steps in float64 all in lockstep" in text
    assert "|ΔW| at step 20" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"lockstep": [a_check(numpy=True, torch=False)]}, "NOT in lockstep: PyTorch."),
        ({"lockstep": [a_check(numpy=True)]}, "Only NumPy was checked"),
        ({"lockstep": []}, "No lockstep check is recorded here."),
        (
            {
                "lockstep": [a_check(numpy=True, torch=True)],
                "diverged_unlike_numpy": ["torch"],
                "backends": {
                    "numpy": {"status": "failed", "error": EVIL, "diverged_after": None},
                    "torch": {"status": "not run"},
                },
            },
            "NOT in lockstep: PyTorch.",
        ),
        (
            {"backends": {"numpy": {"status": "failed", "error": "gone"}}},
            "Failed: NumPy.",
        ),
        ({"backends": {"numpy": {"status": "interrupted"}}}, "Not finished: NumPy."),
    ],
)
def test_other_verdicts(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    write_comparison(tmp_path / "run", RUNS, **changes)
    assert expected in page_of(tmp_path / "run").text


@pytest.mark.parametrize(("dataset", "marked"), [("stand-in", True), ("fashion-mnist", False)])
def test_the_stand_in_is_marked(tmp_path: Path, dataset: str, marked: bool) -> None:
    write_comparison(tmp_path / "run", RUNS, dataset=dataset)
    page = page_of(tmp_path / "run")
    assert ("No accuracy on this page says anything" in page.text) == marked
    assert any(one.get("class") == "stand-in" for one in page.all("p")) == marked


@pytest.mark.parametrize(
    ("flipped", "expected"),
    [
        (False, "2 of 2 frameworks have the same mask, bit for bit (40 × 70,"),
        (True, "The mask of PyTorch differs from that of NumPy."),
    ],
)
def test_masks_are_compared_bit_for_bit(tmp_path: Path, flipped: bool, expected: str) -> None:
    write_comparison(tmp_path, RUNS)
    add_samples(tmp_path, numpy=False, torch=flipped)
    page = page_of(tmp_path)
    assert expected in page.text
    masks = [one for one in page.all("img") if one.get("class") == "mask"]
    assert len(masks) == 4
    assert {one["src"] for one in masks} == {masks[0]["src"]}  # the flipped bit is not shown


def test_predictions_have_mean_and_deviation(tmp_path: Path) -> None:
    write_comparison(tmp_path, RUNS)
    add_samples(tmp_path, numpy=False, torch=False)
    text = page_of(tmp_path).text
    assert text.count("75.0 ± 9.4 %") == 2
    assert text.count("(wrong)") == 2  # class 5 is taken for class 7


def test_an_old_folder_says_that_nothing_was_recorded(tmp_path: Path) -> None:
    write_comparison(tmp_path, RUNS)
    assert page_of(tmp_path).text.count("Not recorded in this run.") == 2


def test_recipe_data_and_files_are_there(tmp_path: Path) -> None:
    write_comparison(tmp_path, RUNS)
    (tmp_path / "a:b #1.txt").write_text("x")
    page = page_of(tmp_path)
    for expected in ("num hiddens 2, 2", "0" * 64, "torch/weights.safetensors", "a:b #1.txt"):
        assert expected in page.text
    assert "./a%3Ab%20%231.txt" in [one.get("href") for one in page.all("a")]


def test_a_single_run_has_no_verdict(tmp_path: Path) -> None:
    write_comparison(tmp_path, {"numpy": RUNS["numpy"]})
    (tmp_path / "summary.json").unlink()
    for folder in (tmp_path, tmp_path / "numpy"):
        made = make_report(folder)
        assert not made.problems
        page = Page(made.html)
        assert "Training run" in page.text
        assert not [one for one in page.all("ul") if one.get("class") == "verdict"]


# The page as a file.


@pytest.mark.usefixtures("charts")
def test_the_page_is_one_file_without_network(tmp_path: Path) -> None:
    write_comparison(tmp_path, RUNS, lockstep=[a_check(numpy=True, torch=True)])
    add_samples(tmp_path, numpy=False, torch=False)
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert path.stat().st_size < 3_000_000
    for tag, attributes in page_of(tmp_path).elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert tag not in ("link", "iframe", "object", "embed")
        for name in ("src", "href", "xlink:href"):
            address = attributes.get(name) or ""
            assert re.match(r"$|#|data:image/|\./", address), (tag, address)


@pytest.mark.usefixtures("charts")
def test_headings_are_in_order_and_anchors_exist(tmp_path: Path) -> None:
    write_comparison(tmp_path, RUNS)
    add_samples(tmp_path, numpy=False, torch=False)
    page = page_of(tmp_path)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = [str(one["href"])[1:] for one in page.all("a") if str(one["href"]).startswith("#")]
    assert set(anchors) <= set(ids)
    assert all("alt" in one for one in page.all("img"))


@pytest.mark.usefixtures("charts")
def test_markup_in_a_run_folder_stays_text(tmp_path: Path) -> None:
    folder = tmp_path / "a<b>'&"
    rows = write_comparison(folder, RUNS)["backends"]
    rows["numpy"]["framework_version"] = EVIL
    rows["torch"] = {"status": "failed", "error": EVIL}
    changes = {"dataset": EVIL, "device": EVIL, "problem": EVIL, "name": EVIL, "machine": {}}
    changes["machine"] = {"processor": EVIL}
    write_comparison(folder, RUNS, backends=rows, **changes)
    add_samples(folder, numpy=False)
    (folder / "<img src=x>").write_text("x")
    made = make_report(folder)
    page = Page(made.html)
    assert "<script>alert" not in made.html
    assert page.text.count(EVIL) >= 6
    assert "a<b>'&" in page.text
    assert "b" not in [tag for tag, _ in page.elements]
    assert all(str(one["src"]).startswith("data:") for one in page.all("img"))


def test_only_our_scripts_may_run(tmp_path: Path) -> None:
    write_comparison(tmp_path, RUNS)
    policies = [one for one in page_of(tmp_path).all("meta") if one.get("http-equiv")]
    scripts = str(policies[0]["content"]).split("script-src ")[1]
    assert all(one.startswith("'sha256-") for one in scripts.split())


def test_every_text_has_both_languages_and_the_same_fields() -> None:
    for key, (english, chinese) in ALL_WORDS.items():
        assert english, key
        assert chinese, key
        assert fields(english) == fields(chinese), key


def test_templates_use_known_texts() -> None:
    made = environment()
    assert made.loader is not None
    for name in made.list_templates():
        source = made.loader.get_source(made, name)[0]
        for key in re.findall(r"""\b(?:t|label)\((?:"[\w-]+", )?"(\w+)"[,)]""", source):
            assert key in ALL_WORDS, (name, key)


# Bad input.


def test_a_folder_that_is_missing_or_empty(tmp_path: Path) -> None:
    for name, expected in (("gone", "there is no run folder"), ("", "holds no finished run")):
        result = report(str(tmp_path / name))
        assert result.exit_code == 2
        assert expected in result.output


def damage_summary(folder: Path) -> None:
    (folder / "summary.json").write_text('{"format": 2')


def newer_summary(folder: Path) -> None:
    (folder / "summary.json").write_text('{"format": 3}')


def lose_summary(folder: Path) -> None:
    (folder / "summary.json").unlink()


def damage_result(folder: Path) -> None:
    path = folder / "torch" / "result.json"
    path.write_text(path.read_text().replace("float32", "float64", 1))


def lose_result(folder: Path) -> None:
    (folder / "torch" / "result.json").unlink()


def empty_trace(folder: Path) -> None:
    (folder / "torch" / "trace.npy").write_bytes(b"")


def lose_trace(folder: Path) -> None:
    (folder / "torch" / "trace.npy").unlink()


def damage_samples(folder: Path) -> None:
    path = folder / "torch" / "samples.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def summary_without_rows(folder: Path) -> None:
    content = json.loads((folder / "summary.json").read_text())
    del content["backends"]["torch"]["train_loss"]
    write_sealed(folder / "summary.json", content)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (damage_summary, "summary.json"),
        (newer_summary, "summary.json"),
        (lose_summary, "summary.json"),
        (damage_result, "torch/result.json"),
        (lose_result, "torch/result.json"),
        (empty_trace, "torch/trace.npy"),
        (lose_trace, "torch/trace.npy"),
        (damage_samples, "torch/samples.safetensors"),
        (summary_without_rows, "summary.json"),
    ],
)
def test_a_page_with_what_is_there(tmp_path: Path, spoil: Any, named: str) -> None:
    folder = tmp_path / "run"
    write_comparison(folder, RUNS)
    add_samples(folder, numpy=False, torch=False)
    spoil(folder)
    result = report("run", "--out", str(tmp_path))
    assert result.exit_code == 1, result.output
    expected = str(folder / named)
    assert expected in result.output
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert "What could not be read" in page.text
    assert expected in page.text
    assert "NumPy" in page.text


@pytest.mark.parametrize("spoil", [damage_summary, newer_summary])
def test_nothing_can_be_read(tmp_path: Path, spoil: Any) -> None:
    write_comparison(tmp_path, RUNS)
    spoil(tmp_path)
    for name in RUNS:
        (tmp_path / name / "result.json").write_text("{}")
    result = report(str(tmp_path))
    assert result.exit_code == 2
    assert str(tmp_path / "summary.json") in result.output
    assert not (tmp_path / "report.html").exists()


def test_a_folder_of_format_1(tmp_path: Path) -> None:
    write_comparison(tmp_path, RUNS, lockstep=[a_check(numpy=True, torch=True)])
    for path in (tmp_path / "summary.json", *(tmp_path / name / "result.json" for name in RUNS)):
        content = json.loads(path.read_text())
        for new in ("format", "digest", "arrays", "speed", "left_out", "execution", "threads"):
            content.pop(new, None)
        for row in content.get("backends", {}).values() if path.name == "summary.json" else ():
            del row["result_digest"], row["diverged_after"], row["stopped_early"]
        write_json(path, content)
    result = report(str(tmp_path))
    assert result.exit_code == 0, result.output


def test_a_page_that_fails_costs_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not save_report(tmp_path / "gone")
    assert "The page could not be written" in capsys.readouterr().err
    write_comparison(tmp_path, RUNS)
    assert save_report(tmp_path)
    assert (tmp_path / "report.html").exists()
