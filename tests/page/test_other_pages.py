"""The pages of experiments and benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from d2ldrop import Recipe
from d2ldrop.core.files import DamagedFileError, write_json
from d2ldrop.page.report import make_report
from d2ldrop.training.folder import NamedFolder
from tests.page.pages import EVIL, Page, report

pytestmark = pytest.mark.usefixtures("without_slow_parts")

PLAN = {
    "experiment": "swap-dropout",
    "backend": "numpy",
    "recipe": Recipe().to_dict(),
    "dataset": "stand-in",
    "train_size": 100,
    "test_size": 50,
    "dataset_sha256": "0" * 64,
    "seeds": [0, 1],
}
ESTIMATE = {"mean": 11.5, "interval": [10.0, 13.0], "left_out": 0}
RESULT: dict[str, Any] = {
    **PLAN,
    "question": f"Which is better? {EVIL}",
    "baseline": "a",
    "metrics": {"test_error": "test error (%)"},
    "tables": {
        "test_error": {
            "a": {"estimate": ESTIMATE, "difference": None, "p": None},
            "b": {"estimate": ESTIMATE, "difference": {**ESTIMATE, "mean": None}, "p": 0.01},
        }
    },
    "conclusion": f"Neither. {EVIL}",
    "runs": [],
}
FIGURE = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
TIMINGS = {"python": [0.1, 0.2, 0.3], "import d2ldrop": [1.0, 2.0, 3.0]}
TIMINGS |= {"import framework": [1.0, 2.0, 3.0], "get_backend": [1.0, 2.0, 3.0]}
BENCH = {
    "kind": "startup",
    "machine": {"processor": EVIL, "cores": 2},
    "rounds": 3,
    "dataset": "stand-in",
    "train_size": 100,
    "backends": {"numpy": {"timings": TIMINGS}, "torch": {"error": EVIL}},
}


def write_experiment(folder: Path, **changes: Any) -> None:
    NamedFolder(folder, "experiment").write(PLAN)
    write_json(folder / "result.json", {**RESULT, **changes})
    (folder / "figure.svg").write_text(FIGURE)


def test_an_experiment_shows_its_answer(tmp_path: Path) -> None:
    write_experiment(tmp_path)
    made = make_report(tmp_path)
    assert not made.problems
    page = Page(made.html)
    for expected in (RESULT["question"], RESULT["conclusion"], "11.50 [10.00, 13.00]", "0.010 *"):
        assert expected in page.text
    assert "p: paired t-test over seeds." in page.text
    assert "<script>alert" not in made.html
    assert [str(one["src"])[:26] for one in page.all("img")] == ["data:image/svg+xml;base64,"]


def test_an_unfinished_experiment_shows_its_recipe(tmp_path: Path) -> None:
    NamedFolder(tmp_path, "experiment").write(PLAN)
    result = report(str(tmp_path))
    assert result.exit_code == 1
    assert f"{tmp_path / 'result.json'} is missing: the experiment is not finished" in result.output
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "What if the two hidden layers swap their dropout?" in text
    assert "num hiddens 256, 256" in text


@pytest.mark.parametrize(
    "changes", [{"tables": {"test_error": {"a": {}}}}, {"tables": []}, {"seeds": None}]
)
def test_a_damaged_result_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_experiment(tmp_path, **changes)
    problems = make_report(tmp_path).problems
    assert len(problems) == 1
    assert str(tmp_path / "result.json") in problems[0]


def test_a_benchmark_shows_its_table(tmp_path: Path) -> None:
    NamedFolder(tmp_path, "benchmark").write(BENCH)
    made = make_report(tmp_path)
    assert made.problems == (f"{tmp_path / 'bench.png'} is missing, or too large for this page",)
    page = Page(made.html)
    for expected in ("0.20 [0.15–0.25]", f"PyTorch failed: {EVIL}", f"处理器 {EVIL}"):
        assert expected in page.text
    assert "<script>alert" not in made.html


@pytest.mark.parametrize(
    ("kind", "file"), [("experiment", "plan.json"), ("benchmark", "bench.json")]
)
def test_a_newer_folder_is_refused_by_name(tmp_path: Path, kind: str, file: str) -> None:
    (tmp_path / file).write_text('{"format": 99}')
    with pytest.raises(DamagedFileError, match=f"{file} has format 99, written by a newer"):
        make_report(tmp_path)
    assert report(str(tmp_path)).exit_code == 2
