"""The page of a comparison: what it shows, what it escapes, and what it is as a file."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from d2ldrop.page.frame import ALL_WORDS, environment, fields
from d2ldrop.page.report import make_report, write_report
from tests.page.chart_runs import write_comparison
from tests.page.pages import EVIL, RUNS, Page, a_check, add_samples, page_of, report

pytestmark = pytest.mark.usefixtures("without_slow_parts")

# What the page shows.


def test_verdict_and_table_are_those_of_the_summary(tmp_path: Path) -> None:
    write_comparison(tmp_path / "run", RUNS, lockstep=[a_check(numpy=True, torch=True)])
    text = page_of(tmp_path / "run").text
    assert (
        "In lockstep with NumPy after 20 steps in float64: PyTorch. No weight differs from NumPy's "
        "by more than 1.0e-12." in text
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
        (
            {"backends": {"numpy": {"status": "interrupted"}, "torch": {"status": "not run"}}},
            "Not finished: NumPy, PyTorch.",
        ),
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


@pytest.mark.usefixtures("slow_parts")
def test_the_page_is_one_file_without_network(tmp_path: Path) -> None:
    write_comparison(tmp_path, RUNS, lockstep=[a_check(numpy=True, torch=True)])
    add_samples(tmp_path, numpy=False, torch=False)
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert path.stat().st_size < 3_000_000
    for tag, attributes in page_of(tmp_path).elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert tag not in ("iframe", "object", "embed")
        if tag == "link":  # an empty icon: without it a browser asks the server for one
            assert attributes == {"rel": "icon", "href": "data:,"}
            continue
        for name in ("src", "href", "xlink:href"):
            address = attributes.get(name) or ""
            assert re.match(r"$|#|data:image/|\./", address), (tag, address)


@pytest.mark.usefixtures("slow_parts")
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


@pytest.mark.usefixtures("slow_parts")
def test_markup_in_a_run_folder_stays_text(tmp_path: Path) -> None:
    folder = tmp_path / "a<b>'&"
    rows = write_comparison(folder, RUNS)["backends"]
    rows["numpy"]["framework_version"] = EVIL
    rows["torch"] = {"status": "failed", "error": EVIL}
    changes: dict[str, Any] = dict.fromkeys(("dataset", "device", "problem", "name"), EVIL)
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


def test_report_draws_the_pictures_too(tmp_path: Path) -> None:
    write_comparison(tmp_path, RUNS)
    assert report(str(tmp_path)).exit_code == 0
    pictures = [
        f"{name}.{end}" for name in ("curves", "agreement", "time") for end in ("png", "svg")
    ]
    shown = Page((tmp_path / "report.html").read_text()).text
    for picture in pictures:
        assert (tmp_path / picture).exists()
        assert picture in shown
