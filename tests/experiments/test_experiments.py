"""The experiments: what they run, how they judge it; no executor and no kill changes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from d2ldrop import Recipe
from d2ldrop.data import load_data
from d2ldrop.experiments import NAMES, Arm, Results, find_experiment
from d2ldrop.experiments.engine.execution import Plan, run_experiment
from d2ldrop.experiments.engine.report import judge
from d2ldrop.experiments.engine.sentences import best, versus
from d2ldrop.experiments.engine.statistics import compare, estimate, holm, number, paired_p

SMALL = Recipe(num_epochs=1, num_hiddens=(16, 16), batch_size=64)
OPTIONS = ["--dataset", "stand-in", "--train-size", "200", "--test-size", "100", "--num-epochs"]
OPTIONS += ["1", "--num-hiddens", "16", "16", "--batch-size", "64"]


def plan(name: str, *, backend: str = "numpy", seeds: int = 2, recipe: Recipe = SMALL) -> Plan:
    data = load_data("stand-in", train_size=200, test_size=100)
    return Plan(name, backend, recipe, list(range(seeds)), data)


def measured(results: Results) -> dict[Any, Any]:
    """All that runs have measured."""
    return {key: run["measured"] for key, run in results.runs.items()}


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "d2ldrop", "experiment", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_from_the_command_line(name: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path), "--name", "mine", "--quiet"]
    ended = command(name, "--seeds", "2", *OPTIONS, *out)
    assert (ended.returncode, ended.stderr) == (0, "")
    folder = tmp_path / "mine"
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "figure.svg").read_text()
    result = json.loads((folder / "result.json").read_text())
    experiment = find_experiment(name)
    assert set(result["tables"]) == set(experiment.metrics)
    assert result["seeds"] == [0, 1]
    for entries in result["tables"].values():
        for entry in entries.values():
            low, high = entry["estimate"]["interval"]
            assert low <= entry["estimate"]["mean"] <= high
            assert entry["difference"] or entry["p"] is None
        assert any(entry["difference"] for entry in entries.values())
    shown = " ".join(ended.stdout.split())
    assert " ".join(result["conclusion"].split()) in shown
    assert all(label.split()[0] in shown for label in experiment.metrics.values())


@pytest.mark.slow
def test_on_every_backend_the_same(backend_name: str, tmp_path: Path) -> None:
    recipe = replace(SMALL, dtype="float64", num_epochs=2)
    reference, _ = run_experiment(
        plan("dropconnect", seeds=1, recipe=recipe), tmp_path / "numpy", num_jobs=2
    )
    results, failed = run_experiment(
        plan("dropconnect", backend=backend_name, seeds=1, recipe=recipe),
        tmp_path / "other",
        num_jobs=2,
    )
    assert not failed
    for key, runs in measured(results).items():
        expected = measured(reference)[key]
        assert [run["test_error"] for run in runs] == [run["test_error"] for run in expected]
        losses = [run["train_loss"] for run in expected]
        assert [run["train_loss"] for run in runs] == pytest.approx(losses, rel=1e-12)


def test_finished_runs_are_kept_and_the_rest_is_run(tmp_path: Path) -> None:
    whole, _ = run_experiment(plan("dropconnect"), tmp_path / "whole", num_jobs=2)
    folder = tmp_path / "parts"
    run_experiment(plan("dropconnect", seeds=1), folder, num_jobs=1)
    kept = {file: file.stat().st_mtime_ns for file in (folder / "jobs").iterdir()}
    assert len(kept) == 3
    seen: list[tuple[int, int]] = []
    resumed, _ = run_experiment(
        plan("dropconnect"),
        folder,
        num_jobs=2,
        on_epochs=lambda done, total: seen.append((done, total)),
    )
    assert measured(resumed) == measured(whole)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert seen == [(3, 6), (4, 6), (5, 6), (6, 6)]


@pytest.mark.slow
def test_resume_after_a_kill(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "d2ldrop", "experiment", "own-noise", "--seeds", "2"]
    arguments += ["--jobs", "1", *OPTIONS, "--out", str(tmp_path), "--name", "mine"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    jobs, deadline = tmp_path / "mine" / "jobs", time.monotonic() + 60
    while len(list(jobs.glob("numpy-*"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(list(jobs.glob("numpy-*"))) < 14
    ended = command(*arguments[4:], "--resume")
    assert ended.returncode == 0, ended.stderr
    result = json.loads((tmp_path / "mine" / "result.json").read_text())
    whole, _ = run_experiment(plan("own-noise"), tmp_path / "whole", num_jobs=2)
    assert {(run["arm"], run["seed"]): run["measured"] for run in result["runs"]} == measured(whole)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # dask's own, about its sockets
def test_a_cluster_gives_the_same_numbers(tmp_path: Path) -> None:
    from distributed import LocalCluster

    here, _ = run_experiment(plan("dropconnect"), tmp_path / "here", num_jobs=2)
    workers: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    cluster: Any = LocalCluster(**workers)  # type: ignore[no-untyped-call]  # has no types
    with cluster:
        there, failed = run_experiment(
            plan("dropconnect"), tmp_path / "there", num_jobs=1, dask=cluster.scheduler_address
        )
    assert not failed
    assert measured(there) == measured(here)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://here", "tcp://127.0.0.1"])
def test_an_unreachable_scheduler_is_said_within_ten_seconds(address: str, tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(ConnectionError, match="no dask scheduler answers at " + address):
        run_experiment(plan("dropconnect"), tmp_path, num_jobs=1, dask=address)
    assert time.monotonic() - start < 10


def test_runs_that_fail_are_reported_and_leave_their_seed_out(tmp_path: Path) -> None:
    good = plan("dropconnect")
    run_experiment(replace(good, seeds=[0]), tmp_path, num_jobs=2)
    # The worker loads the stand-in, and finds that it is not the one that the plan has.
    other = replace(good.data, test_labels=good.data.test_labels[::-1])
    for file in (tmp_path / "jobs").iterdir():
        file.unlink()
    results, failed = run_experiment(replace(good, data=other), tmp_path / "other", num_jobs=2)
    assert results.seeds == []
    assert len(failed) == 6
    assert all("not those of the experiment" in error for error in failed.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such"], "experiment must be one of swap-dropout, more-epochs"),
        (["features", "--seeds", "0"], "seeds must be a positive integer, got 0"),
        (["features", "--jobs", "0"], "jobs must be a positive integer, got 0"),
        (["features", "--backend", "tirch"], "tirch"),
        (["features", "--resume"], "(--resume) needs the name (--name)"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_run(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    ended = command(*arguments, *OPTIONS, cwd=tmp_path)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert not list(tmp_path.iterdir())


def test_another_experiment_s_folder_is_refused(tmp_path: Path) -> None:
    run_experiment(plan("test-time", seeds=1), tmp_path, num_jobs=1)
    with pytest.raises(ValueError, match="holds an experiment with experiment test-time"):
        run_experiment(plan("dropconnect"), tmp_path, num_jobs=1)
    with pytest.raises(ValueError, match=r"with lr 0\.5, not 0\.1"):
        run_experiment(plan("test-time", recipe=replace(SMALL, lr=0.1)), tmp_path, num_jobs=1)


def test_one_seed_gives_no_interval_and_says_so(tmp_path: Path) -> None:
    arguments = ["dropconnect", "--seeds", "1", *OPTIONS, "--out", str(tmp_path), "--name", "mine"]
    ended = command(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert "One seed gives no confidence interval and no test" in ended.stdout
    assert "interval]" not in ended.stdout
    result = json.loads((tmp_path / "mine" / "result.json").read_text())
    assert result["conclusion"] is None
    for entry in result["tables"]["test_error"].values():
        assert entry["estimate"]["interval"] is None
        assert entry["p"] is None
    again = command(*arguments)
    assert again.returncode == 2
    assert "(--resume) keeps what is there and goes on" in again.stderr


def test_an_interval_is_student_s() -> None:
    values = np.array([10.0, 12.0, 11.0, 15.0])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = estimate(values)
    assert found.mean == 12
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert str(estimate(values[:1])) == "10.00"


def test_differences_are_paired_by_seed() -> None:
    seeds = np.array([1.0, 5.0, 9.0, 14.0])  # far apart, so that only pairs show what differs
    entries = {
        "a": seeds,
        "b": seeds + np.array([0.5, 0.6, 0.4, 0.5]),
        "c": seeds + np.array([9.0, -9.0, 7.0, -7.0]),
    }
    found = compare(entries, dict.fromkeys(entries, "a"))
    assert found["a"].p is None
    assert found["b"].significant
    assert not found["c"].significant
    raw = [stats.ttest_rel(entries[name], seeds).pvalue for name in "bc"]
    assert found["b"].p == pytest.approx(2 * raw[0])
    assert found["c"].p == pytest.approx(raw[1])


def test_without_spread_there_is_no_test() -> None:
    same = np.array([1.0, 2.0, 3.0], np.float64)
    assert paired_p(same, same) is None
    assert paired_p(same + 0.1, same) is None  # but for rounding
    assert paired_p(same[:1], same[:1]) is None
    assert "no spread to test" in versus("new", same + 0.1, "old", same, "the error")


def test_holm_on_the_textbook_s_case() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (11.874, "11.87"), (-0.5, "-0.50"), (0.0123, "0.012"), (3e-9, "3e-09")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_sentences_claim_what_is_significant_and_no_more() -> None:
    seeds = np.array([10.0, 11.0, 12.0, 10.5])
    lower = np.array([9.0, 9.9, 11.1, 9.5])
    noisy = np.array([13.0, 8.0, 14.0, 8.0])
    assert versus("new", lower, "old", seeds, "the error").startswith(
        "the error is 1.00 points lower for 'new' than for 'old' (95 % interval 0.87 to 1.13, p = "
    )
    assert "does not differ significantly" in versus("new", noisy, "old", seeds, "the error")
    text = best({"old": seeds, "new": lower, "noisy": noisy}, "old", "error")
    assert "significantly better: 'new'; significantly worse: none of them" in text


def weight_decay_results(both: float) -> Results:
    """Errors 12 without either, 11 with dropout, 11.5 with decay, ``both`` with both."""
    experiment = find_experiment("weight-decay")
    arms = [Arm(name, SMALL) for name in experiment_arms("weight-decay")]

    def error(name: str) -> float:
        dropout, decay = not name.startswith("no"), not name.endswith("decay 0")
        return {(0, 0): 12, (1, 0): 11, (0, 1): 11.5, (1, 1): both}[dropout, decay]

    runs = {
        (arm.name, seed): {"measured": [{"test_error": error(arm.name) + 0.01 * (i * seed % 3)}]}
        for i, arm in enumerate(arms)
        for seed in range(3)
    }
    assert experiment.baseline in {arm.name for arm in arms}
    return Results(arms, [0, 1, 2], runs)


def experiment_arms(name: str) -> list[str]:
    return [arm.name for arm in plan(name).arms]


@pytest.mark.parametrize(
    ("both", "verdict"),
    [
        (10.5, "no significant departure from additive"),
        (10.8, "the effects diminish"),
        (11.3, "the effects cancel"),
        (10.0, "more than the sum"),
    ],
)
def test_weight_decay_s_verdict(both: float, verdict: str) -> None:
    assert verdict in find_experiment("weight-decay").conclude(weight_decay_results(both))


def test_arms_that_are_the_same_run_once(tmp_path: Path) -> None:
    # At p = 0.5 "n units" and "n/2 kept of them" are one network.
    few = plan("rate-sweep", seeds=1)
    results, _ = run_experiment(few, tmp_path, num_jobs=2)
    assert len(results.arms) == 14
    assert len(list((tmp_path / "jobs").iterdir())) == 13
    entries = judge(find_experiment("rate-sweep"), results)["test_error"]
    assert entries["width n, p = 0.5"].estimate == entries["expected width n/2, p = 0.5"].estimate


def test_data_size_has_no_more_images_than_there_are() -> None:
    sizes = [arm.train_size for arm in plan("data-size").arms]
    assert sizes == [100, 100, 200, 200]
    epochs = [arm.recipe.num_epochs for arm in plan("data-size").arms]
    assert epochs == [2, 2, 1, 1]
