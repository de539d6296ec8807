"""Neither the executor nor a kill changes the results of an experiment."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from d2ldrop.experiments.engine.job_files import RunAgainWarning, keep
from d2ldrop.experiments.engine.results_table import compare_metrics
from d2ldrop.experiments.engine.runner import run_experiment
from tests.experiments.small import OPTIONS, SMALL, measured, plan


@pytest.mark.slow
def test_an_experiment_has_the_same_results_on_every_backend(
    backend_name: str, tmp_path: Path
) -> None:
    recipe = replace(SMALL, dtype="float64", num_epochs=2)
    reference, _ = run_experiment(
        plan("dropconnect", tmp_path, "numpy", seeds=1, recipe=recipe), num_jobs=2
    )
    results, failed = run_experiment(
        plan("dropconnect", tmp_path, "other", backend=backend_name, seeds=1, recipe=recipe),
        num_jobs=2,
    )
    assert not failed
    for key, runs in measured(results).items():
        expected = measured(reference)[key]
        assert [run["test_error"] for run in runs] == [run["test_error"] for run in expected]
        losses = [run["train_loss"] for run in expected]
        assert [run["train_loss"] for run in runs] == pytest.approx(losses, rel=1e-12)


def test_a_resume_keeps_finished_runs_and_adds_the_others(tmp_path: Path) -> None:
    whole, _ = run_experiment(plan("dropconnect", tmp_path, "whole"), num_jobs=2)
    run_experiment(plan("dropconnect", tmp_path, "parts", seeds=1), num_jobs=1)
    jobs = tmp_path / "parts" / "jobs"
    kept = {file: file.stat().st_mtime_ns for file in jobs.iterdir()}
    assert len(kept) == 3
    seen: list[tuple[int, int]] = []
    resumed, _ = run_experiment(
        plan("dropconnect", tmp_path, "parts"),
        num_jobs=2,
        on_epochs=lambda done, total: seen.append((done, total)),
    )
    assert measured(resumed) == measured(whole)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert seen == [(3, 6), (4, 6), (5, 6), (6, 6)]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda file, _: file.write_text(""), "is empty"),
        (lambda file, _: file.write_text("{}"), "has no fields"),
        (lambda file, _: file.write_text("[]"), "must hold a JSON object"),
        (lambda file, _: file.write_text('{"measured": []}'), "has measurements of 0 epochs"),
        (lambda file, _: file.write_text('{"measured": [{}]}'), "lacks the field 'test_error'"),
        (
            lambda file, _: file.write_text(file.read_text().replace("test_error", "test_errer")),
            "was changed or damaged",
        ),
        (lambda file, other: file.write_bytes(other.read_bytes()), "has the result of another run"),
        (lambda file, _: file.write_bytes(file.read_bytes()[:-9]), "is not JSON"),
    ],
)
def test_a_damaged_file_of_a_run_is_named_and_the_run_is_done_again(
    tmp_path: Path, change: Callable[[Path, Path], object], problem: str
) -> None:
    whole, _ = run_experiment(plan("dropconnect", tmp_path, seeds=1), num_jobs=2)
    files = sorted((tmp_path / "mine" / "jobs").iterdir())
    change(files[0], files[1])
    again = plan("dropconnect", tmp_path, seeds=1)
    with pytest.warns(RunAgainWarning) as warned:
        resumed, failed = run_experiment(again, num_jobs=2)
    (line,) = [str(one.message) for one in warned]
    assert re.fullmatch(rf"{files[0]} {problem}.*: its run is done again", line)
    assert not failed
    assert measured(resumed) == measured(whole)
    run_experiment(again, num_jobs=2)  # the file is whole again: no warning


def test_files_of_format_1_are_kept(tmp_path: Path) -> None:
    whole, _ = run_experiment(plan("dropconnect", tmp_path, seeds=1), num_jobs=2)
    files = list((tmp_path / "mine" / "jobs").iterdir())
    for file in files:
        content = json.loads(file.read_text())
        file.write_text(json.dumps({k: content[k] for k in ("measured", "framework_version")}))
    before = {file: file.stat().st_mtime_ns for file in files}
    again = plan("dropconnect", tmp_path, seeds=1)
    resumed, _ = run_experiment(again, num_jobs=2)
    assert measured(resumed) == measured(whole)
    assert {file: file.stat().st_mtime_ns for file in files} == before


@pytest.mark.slow
def test_a_resume_after_a_kill_gives_the_same_results(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "d2ldrop", "experiment", "own-noise", "--seeds", "2"]
    command += ["--jobs", "1", *OPTIONS, "--out", str(tmp_path), "--name", "mine"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    jobs, deadline = tmp_path / "mine" / "jobs", time.monotonic() + 60
    while len(list(jobs.glob("numpy-*"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(list(jobs.glob("numpy-*"))) < 14
    subprocess.run([*command, "--resume"], check=True, capture_output=True)
    result = json.loads((tmp_path / "mine" / "result.json").read_text())
    whole, _ = run_experiment(plan("own-noise", tmp_path, "whole"), num_jobs=2)
    assert {(run["arm"], run["seed"]): run["measured"] for run in result["runs"]} == measured(whole)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # dask warns about its sockets
def test_a_cluster_gives_the_same_numbers(tmp_path: Path) -> None:
    from distributed import LocalCluster

    here, _ = run_experiment(plan("dropconnect", tmp_path, "here"), num_jobs=2)
    workers: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    cluster: Any = LocalCluster(**workers)  # type: ignore[no-untyped-call]  # has no types
    with cluster:
        there, failed = run_experiment(
            plan("dropconnect", tmp_path, "there"), dask=cluster.scheduler_address
        )
    assert not failed
    assert measured(there) == measured(here)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://here", "tcp://127.0.0.1"])
def test_an_unreachable_scheduler_is_reported_within_ten_seconds(
    address: str, tmp_path: Path
) -> None:
    start = time.monotonic()
    with pytest.raises(ConnectionError, match="no dask scheduler answers at " + address):
        run_experiment(plan("dropconnect", tmp_path), dask=address)
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - start < 10


def test_failed_runs_are_reported_and_their_seed_is_omitted(tmp_path: Path) -> None:
    good = plan("dropconnect", tmp_path)
    # The worker loads the stand-in and finds other images than the plan's.
    other = replace(good.data, test_labels=good.data.test_labels[::-1])
    results, failed = run_experiment(replace(good, data=other), num_jobs=2)
    assert results.seeds == []
    assert len(failed) == 6
    for error in failed.values():
        assert "not those of the experiment" in error
        match = re.fullmatch(r"[^\n]* \(see (.*)\)", error)
        assert match
        log = Path(match[1])
        assert log.parent == tmp_path / "mine" / "jobs"
        assert "not those of the experiment" in log.read_text()


def test_a_run_that_succeeds_at_last_has_no_log(tmp_path: Path) -> None:
    job = next(iter(plan("dropconnect", tmp_path).jobs().values()))
    error = keep(job, {"error": "killed by SIGKILL", "log": "text\n"}, tmp_path)
    log = (tmp_path / job.file_name).with_suffix(".log")
    assert error == f"killed by SIGKILL (see {log})"
    assert log.read_text() == "text\n"
    assert keep(job, {"measured": []}, tmp_path) is None
    assert [file.name for file in tmp_path.iterdir()] == [job.file_name]


def test_a_run_that_cannot_be_saved_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, content: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    small = plan("dropconnect", tmp_path, seeds=1)
    monkeypatch.setattr("d2ldrop.experiments.engine.job_files.write_sealed", full)
    results, failed = run_experiment(small, num_jobs=2)
    assert results.seeds == []
    expected = "its measurements are not saved: [Errno 28] No space left on device"
    assert list(failed.values()) == [expected] * 3


def test_equal_arms_run_only_once(tmp_path: Path) -> None:
    # For p = 0.5, the arms "width n" and "expected width n/2" are the same network.
    few = plan("rate-sweep", tmp_path, seeds=1)
    results, _ = run_experiment(few, num_jobs=2)
    assert len(results.arms) == 14
    assert len(list((tmp_path / "mine" / "jobs").iterdir())) == 13
    entries = compare_metrics(few.experiment, results)["test_error"]
    assert entries["width n, p = 0.5"].estimate == entries["expected width n/2, p = 0.5"].estimate
