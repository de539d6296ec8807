"""Folders that are missing, damaged, unfinished or of another version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from d2ldrop.cli.report import save_report
from d2ldrop.core.files import write_json, write_sealed
from d2ldrop.page.report import make_report
from tests.page import made_up
from tests.page.chart_runs import write_comparison
from tests.page.pages import RUNS, Page, a_check, add_samples, report

pytestmark = pytest.mark.usefixtures("without_slow_parts")


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


def test_a_run_of_which_only_the_part_in_float32_can_be_read(tmp_path: Path) -> None:
    made_up.write_comparison(tmp_path / "n", variants=("numpy", "torch"), num_epochs=2)
    newer_summary(tmp_path / "n")
    lose_trace(tmp_path / "n")
    result = report(str(tmp_path / "n"))
    assert result.exit_code == 1
    assert "summary.json has format 3" in result.output
    assert "torch/trace.npy is missing" in result.output
    assert "its run cannot be read" in Page((tmp_path / "n" / "report.html").read_text()).text


def test_a_bad_folder_does_not_cost_the_others_their_pages(tmp_path: Path) -> None:
    made_up.write_comparison(tmp_path / "n", variants=("numpy",), num_epochs=1, speed=False)
    (tmp_path / "empty").mkdir()
    result = report("gone", "empty", "n", "--out", str(tmp_path))
    assert result.exit_code == 2
    assert "there is no run folder gone" in result.output
    assert f"{tmp_path / 'empty'} holds no finished run" in result.output
    assert (tmp_path / "n" / "report.html").exists()


def test_what_is_no_run_folder(tmp_path: Path) -> None:
    folder = tmp_path / "n"
    made_up.write_comparison(folder, variants=("numpy",), num_epochs=1, speed=False)
    for path, expected in {
        folder / "summary.json": f"summary.json is a file: give its folder, {folder}",
        tmp_path: f"{tmp_path} holds several runs: give one of them, such as {folder}",
        "": "there is no run folder '': give its path",
    }.items():
        result = report(str(path))
        assert result.exit_code == 2
        assert expected in result.output
        assert "delete" not in result.output


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("report.html", 2, "report.html cannot be written"),
        ("curves.png", 1, "could not be drawn"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, name: str, status: int, expected: str
) -> None:
    """A picture does not cost the page."""
    made_up.write_comparison(tmp_path, variants=("numpy",), num_epochs=1, speed=False)
    (tmp_path / name).mkdir()
    result = report(str(tmp_path))
    assert result.exit_code == status
    assert expected in result.output
    assert str(tmp_path) in result.output
    assert ".report.html-" not in result.output
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("speed",), 1),
        (("speed", "dtype"), None),
        (("speed", "backends"), []),
        (("speed", "backends", "torch"), "ok"),
        (("speed", "backends", "torch"), {}),
        (("machine",), "x86"),
        (("test_size",), "many"),
        (("dataset",), ["fashion-mnist"]),
        (("diverged_unlike_numpy",), 1),
        (("lockstep", 0, "difference", "torch"), "1e-13"),
        (("lockstep", 0, "quantities"), []),
        (("lockstep", 0, "quantities", "loss"), 1e-13),
        (("lockstep", 0, "quantities", "loss"), {"yardstick": "1e-13"}),
    ],
)
def test_a_summary_with_a_part_of_another_type(
    tmp_path: Path, place: tuple[Any, ...], value: object
) -> None:
    made_up.write_comparison(tmp_path, variants=("numpy", "torch"), num_epochs=1)
    path = tmp_path / "summary.json"
    content = json.loads(path.read_text())
    part = content
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    write_sealed(path, content)  # no digest finds the change
    made = make_report(tmp_path)
    assert [problem for problem in made.problems if str(path) in problem]
    assert "NumPy" in Page(made.html).text


@pytest.mark.parametrize("lost", ["device", "lockstep"])
def test_a_summary_without_a_part(tmp_path: Path, lost: str) -> None:
    made_up.write_comparison(tmp_path, variants=("numpy", "torch"), num_epochs=1)
    path = tmp_path / "summary.json"
    content = json.loads(path.read_text())
    del content[lost]
    write_sealed(path, content)
    result = report(str(tmp_path))
    assert result.exit_code == (0 if lost == "device" else 1), result.output
    assert (tmp_path / "report.html").exists()
