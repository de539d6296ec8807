"""The benchmarks run and write their results. No test asserts a speed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from d2ldrop.bench import driver
from d2ldrop.bench.driver import KINDS, run_benchmark
from d2ldrop.bench.tables import remarks
from d2ldrop.data import DataSource
from d2ldrop.processes.options import WorkerOptions

SMALL = ("--dataset", "stand-in", "--train-size", "600", "--test-size", "100", "--rounds", "2")
FEW = DataSource("stand-in", train_size=10, test_size=10)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "d2ldrop", "bench", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", ["train", "startup"])  # test_third_party has the slow kinds
def test_the_command_writes_a_summary_and_a_picture(tmp_path: Path, kind: str) -> None:
    options = (*SMALL, "--out", str(tmp_path), "--name", "b")
    ended = command(kind, "numpy", *options)
    assert ended.returncode == 0, ended.stderr
    assert "NumPy" in ended.stdout
    shown = " ".join(ended.stdout.split())
    assert "medians [quartiles] of 2 rounds" in shown or kind == "startup"
    summary = json.loads((tmp_path / "b" / "bench.json").read_text())
    assert {"processor", "cores", "platform", "python"} <= set(summary["machine"])
    row = summary["backends"]["numpy"]
    if kind == "train":
        products = {"products: np.dot", "products: np.dot, threads"}
        assert set(row["timings"]) == products | {"d2ldrop"}
        assert all(len(values) == 2 for values in row["timings"].values())
        assert row["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert (tmp_path / "b" / "bench.png").stat().st_size > 10_000
    again = command(kind, "numpy", *options)
    assert again.returncode == 2
    assert "holds a benchmark" in again.stderr


def test_the_command_accepts_all_kinds_of_the_driver() -> None:
    assert f"{{{'|'.join(KINDS)}}}" in command("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("trian",), {}, "kind must be one of layer, train, startup, growth, got 'trian'"),
        (("train", ["numpi"]), {}, "unknown backend 'numpi'"),
        (("train",), {"rounds": 0}, "rounds must be a number of rounds from 1 to 1,000, got 0"),
        (("train", None, "no-such"), {}, "dataset must be one of"),
        (("train",), {"name": "a/b"}, "name must be a plain folder name"),
    ],
)
def test_bad_arguments_are_refused_before_images_are_loaded(
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(_: object) -> None:
        raise AssertionError("images were loaded")

    monkeypatch.setattr("d2ldrop.data.DataSource.load", load)
    with pytest.raises(ValueError, match=message):
        run_benchmark(*arguments, **options, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_result_of_a_framework_that_does_not_start_has_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise subprocess.CalledProcessError(1, ["python", "-c", "import numpy"])

    monkeypatch.setattr(driver, "time_startup", broken)
    events: list[str] = []
    summary = run_benchmark(
        "startup",
        ["numpy"],
        FEW,
        rounds=1,
        options=WorkerOptions(timeout=60),
        out=tmp_path,
        name="b",
        on_event=lambda name, event: events.append(f"{name} {event['event']}"),
    )
    assert "import numpy" in summary["backends"]["numpy"]["error"]
    assert events == ["numpy failed"]
    assert remarks(summary)[-1].startswith("NumPy failed: ")
    assert json.loads((tmp_path / "b" / "bench.json").read_text()) == summary
