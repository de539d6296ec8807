"""``--resume``: what it takes from the folder, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from d2ldrop.core.files import write_sealed

D2LDROP = [sys.executable, "-m", "d2ldrop"]
SMALL = (
    *("--dataset", "stand-in", "--train-size", "200", "--test-size", "100", "--num-epochs", "2"),
    *("--num-hiddens", "16", "8", "--batch-size", "64", "--seed", "3"),
)
LR = ("--lr", "0.25")
RESUME = ("--name", "n", "--resume", "--quiet")


def d2ldrop(folder: Path, *arguments: str, status: int = 0) -> str:
    """Run a command in ``folder``; return stdout, or stderr after an error."""
    ended = subprocess.run(
        [*D2LDROP, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == status, ended.stderr
    return ended.stderr if status else ended.stdout


def files(folder: Path) -> dict[Path, bytes]:
    """All files in ``folder`` with their content."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a comparison, a concise run and an experiment."""
    folder = tmp_path_factory.mktemp("original")
    compared = ("--record", "activations", "--lockstep-steps", "5", "--dtype", "float64")
    d2ldrop(folder, "compare", "numpy", *SMALL, *LR, *compared, "--name", "n")
    d2ldrop(folder, "train", "numpy", *SMALL, *LR, "--impl", "concise", "--name", "t")
    d2ldrop(folder, "experiment", "dropconnect", *SMALL, "--seeds", "2", "--name", "e")
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of ``original``."""
    return Path(shutil.copytree(original, tmp_path / "copy"))


def test_a_resume_with_nothing_to_do_keeps_every_file(folder: Path) -> None:
    logs = list(folder.glob("runs/n/**/*.log"))
    assert len(logs) == 2
    for log in logs:
        log.write_text("kept: no worker starts")
    before = files(folder / "runs" / "n")
    d2ldrop(folder, "compare", *RESUME)
    after = files(folder / "runs" / "n")
    page = folder / "runs" / "n" / "report.html"
    del before[page], after[page]  # it shows the sizes of the logs
    assert after == before


def test_the_lockstep_steps_are_kept_or_checked_again(folder: Path) -> None:
    d2ldrop(folder, "compare", *RESUME, "--lockstep-steps", "6")
    summary = json.loads((folder / "runs" / "n" / "summary.json").read_text())
    assert [check["steps"] for check in summary["lockstep"]] == [6, 8]
    assert summary["ok"]


def test_another_backend_is_trained_as_the_comparison(folder: Path) -> None:
    shutil.rmtree(folder / "runs" / "n" / "numpy")
    d2ldrop(folder, "train", "numpy", *RESUME)
    result = json.loads((folder / "runs" / "n" / "numpy" / "result.json").read_text())
    assert result["recipe"]["lr"] == 0.25
    assert result["record"] == ["activations"]
    assert result["train_size"] == 200
    d2ldrop(folder, "compare", *RESUME)


def test_a_run_takes_its_implementation_from_the_folder(folder: Path) -> None:
    before = files(folder / "runs" / "t" / "numpy-concise")
    shown = d2ldrop(folder, "train", "numpy", "--name", "t", "--resume", "--quiet")
    assert "NumPy concise" in shown
    after = files(folder / "runs" / "t" / "numpy-concise")
    assert after.keys() == before.keys()
    assert all(after[path] == before[path] for path in before if path.suffix != ".log")


def test_an_experiment_takes_its_seeds_from_the_folder(folder: Path) -> None:
    jobs = files(folder / "runs" / "e" / "jobs")
    d2ldrop(folder, "experiment", "dropconnect", "--name", "e", "--resume", "--quiet")
    assert files(folder / "runs" / "e" / "jobs") == jobs
    assert json.loads((folder / "runs" / "e" / "result.json").read_text())["seeds"] == [3, 4]


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        (("compare", "--lr", "0.1"), "runs/n holds a comparison with --lr 0.25, not 0.1"),
        (("compare", "--num-hiddens", "8", "8"), "--num-hiddens 16 8, not 8 8"),
        (("compare", "--preset", "d2l-en"), "--lr 0.25, not 0.1"),
        (("compare", "--max-norm", "2"), "--max-norm unset, not 2.0"),
        (("compare", "--dataset", "fashion-mnist"), "--dataset stand-in, not fashion-mnist"),
        (("compare", "--train-size", "100"), "--train-size 200, not 100"),
        (("compare", "--device", "gpu"), "--device cpu, not gpu:0"),
        (("compare", "--threads", "1"), "--threads unset, not 1"),
        (("train", "numpy", "--seed", "4"), "runs/n/numpy holds a run with --seed 3, not 4"),
        (("train", "numpy", "--test-size", "50"), "--test-size 100, not 50"),
    ],
)
def test_the_first_difference_is_one_line(
    original: Path, arguments: tuple[str, ...], difference: str
) -> None:
    before = files(original)
    error = d2ldrop(original, *arguments, *RESUME, status=2)
    assert error.count("\n") == 1
    assert difference in error
    assert error.endswith(": choose another folder (--name), or give the same options\n")
    assert files(original) == before


def test_another_experiment_is_refused(original: Path) -> None:
    arguments = ("experiment", "dropconnect", "--resume", "--name", "e", "--quiet")
    error = d2ldrop(original, *arguments, "--batch-size", "32", status=2)
    assert "runs/e holds an experiment with --batch-size 64, not 32" in error
    error = d2ldrop(original, *arguments[:1], "test-time", *arguments[2:], status=2)
    assert "runs/e holds an experiment with experiment dropconnect, not test-time" in error


def test_what_only_the_worker_knows_is_refused_the_same_way(folder: Path) -> None:
    file = folder / "runs" / "n" / "numpy" / "result.json"
    write_sealed(file, {**json.loads(file.read_text()), "framework_version": "1.0"})
    error = d2ldrop(folder, "train", "numpy", *RESUME, status=2)
    assert "runs/n/numpy holds a run with framework_version 1.0, not " in error
    assert error.count("\n") == 1


def test_other_versions_are_refused_before_a_worker_starts(folder: Path) -> None:
    file = folder / "runs" / "n" / "numpy" / "result.json"
    write_sealed(file, {**json.loads(file.read_text()), "d2ldrop_version": "0.1"})
    error = d2ldrop(folder, "compare", *RESUME, status=2)
    assert "runs/n/numpy holds a run with d2ldrop_version 0.1, not " in error


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("summary.json", "", "summary.json is empty: delete runs/n/summary.json; then --resume"),
        ("summary.json", "{}", "summary.json has no fields: delete"),
        ("summary.json", "[]", "summary.json must hold a JSON object, got []: delete"),
        ("summary.json", '{"format": 1}', "summary.json lacks the field 'recipe': delete"),
        ("numpy/result.json", "", "numpy/result.json is empty: delete the folder runs/n/numpy, "),
        ("numpy/trace.npy", "", "numpy/trace.npy must be float64 of shape (8,)"),
    ],
)
def test_a_damaged_file_is_named(folder: Path, name: str, content: str, problem: str) -> None:
    (folder / "runs" / "n" / name).write_text(content)
    error = d2ldrop(folder, "compare", *RESUME, status=2)
    assert problem in error
    assert error.count("\n") == 1


def test_a_deleted_summary_is_made_again(folder: Path) -> None:
    summary: dict[str, Any] = json.loads((folder / "runs" / "n" / "summary.json").read_text())
    (folder / "runs" / "n" / "summary.json").unlink()
    d2ldrop(folder, "compare", "numpy", *RESUME, "--lockstep-steps", "5")
    again = json.loads((folder / "runs" / "n" / "summary.json").read_text())
    assert again == summary


def test_a_damaged_plan_is_named(folder: Path) -> None:
    (folder / "runs" / "e" / "plan.json").write_text("{}")
    arguments = ("experiment", "dropconnect", "--resume", "--name", "e")
    error = d2ldrop(folder, *arguments, status=2)
    assert "runs/e/plan.json has no fields: delete runs/e/plan.json; then --resume" in error
