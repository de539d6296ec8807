"""Experiments with runs that diverged: they finish, and say which runs they leave out."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop import Recipe
from d2ldrop.core.files import dump_json
from d2ldrop.data import DataSource
from d2ldrop.experiments import NAMES, Arm, Results, Setting, find_experiment
from d2ldrop.experiments.catalogue import features
from d2ldrop.experiments.engine.figures import grid, panels
from d2ldrop.experiments.engine.jobs import ExperimentJob
from d2ldrop.experiments.engine.results_table import _estimate
from d2ldrop.experiments.engine.sentences import best, left_out, versus
from d2ldrop.experiments.engine.statistics import compare_entries, estimate, paired_p
from tests.experiments.small import OPTIONS

FINE = Recipe(num_epochs=1, num_hiddens=(8, 4), batch_size=32, lr=0.1)
BROKEN = replace(FINE, lr=1e308, weight_decay=1e30)  # some experiments limit one of the two
SOURCE = DataSource("stand-in", train_size=120, test_size=30)
SEEDS = [0, 1, 2]
NAN = float("nan")


def json_round_trip(value: Any) -> Any:
    return json.loads(dump_json(value))


@lru_cache
def runs(name: str, recipe: Recipe) -> tuple[list[Arm], dict[tuple[str, int], Any]]:
    """The arms of an experiment and what their runs measure, trained by NumPy in this process."""
    data, experiment = SOURCE.load(), find_experiment(name)
    arms = experiment.arms(Setting(recipe, 120, ["numpy", "numpy"]))
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):  # float32-chaos: NumPy takes the part of both frameworks
        arms = [replace(arm, name=f"{i}, {arm.name}") for i, arm in enumerate(arms)]
    found: dict[tuple[str, int], Any] = {}
    for arm in arms:
        for seed in SEEDS:
            arm_recipe = replace(arm.recipe, seed=seed, num_epochs=1)
            job = ExperimentJob("numpy", name, arm_recipe, SOURCE, data.sha256)

            def emit(event: str, /, arm: Arm = arm, seed: int = seed, **values: Any) -> None:
                if event == "measured":
                    found[arm.name, seed] = json_round_trip(values)

            job.run(emit)
    return arms, found


PATTERNS: dict[str, Callable[[int, int], bool]] = {
    "all runs": lambda arm, seed: True,
    "one seed": lambda arm, seed: seed == 0,
    "all seeds but one": lambda arm, seed: seed != 1,
    "the first arm": lambda arm, seed: arm == 0,
    "all arms but the first": lambda arm, seed: arm != 0,
    "one run": lambda arm, seed: (arm, seed) == (0, 2),
}
"""Which runs diverge, by the number of the arm and the seed."""


def mixed(name: str, pattern: str) -> Results:
    arms, fine = runs(name, FINE)
    broken_arms, broken = runs(name, BROKEN)
    chosen = {
        (arm.name, seed): broken[other.name, seed]
        if PATTERNS[pattern](i, seed)
        else fine[arm.name, seed]
        for i, (arm, other) in enumerate(zip(arms, broken_arms, strict=True))
        for seed in SEEDS
    }
    return Results(arms, SEEDS, chosen)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_finishes_with_runs_that_diverged(name: str, pattern: str) -> None:
    experiment, results = find_experiment(name), mixed(name, pattern)
    experiment.draw(results).savefig(io.BytesIO(), format="png", dpi=30)
    text = experiment.conclusion(results)
    diverged = sum(int(results.diverged(arm).sum()) for arm in results.names)
    expected = sum(PATTERNS[pattern](i, s) for i in range(len(results.arms)) for s in SEEDS)
    assert diverged == expected
    if diverged:  # test-time has one arm only
        assert f"{diverged} of {3 * len(results.arms)} runs diverged" in text
        assert "left out of means, tests and figures" in text
    assert not re.search(r"\bnan\b|\binf\b", text), text
    for metric in experiment.metrics:
        entries = experiment.entries(results, metric)
        for entry in compare_entries(entries, experiment.baselines(entries)).values():
            finite = 3 - entry.estimate.left_out
            assert np.isfinite(entry.estimate.mean) == (finite > 0)
            assert (entry.estimate.interval is not None) == (finite > 1)
            assert "nan" not in _estimate(entry.estimate, 3)


def test_runs_that_did_not_diverge_give_no_sentence() -> None:
    arms, fine = runs("dropconnect", FINE)
    results = Results(arms, SEEDS, fine)
    assert left_out(results) == ""
    assert find_experiment("dropconnect").conclusion(results).endswith(".")


def test_a_diverged_run_is_left_out_even_if_its_test_error_is_finite() -> None:
    results = mixed("dropconnect", "one run")
    first = results.names[0]
    assert results.runs[first, 2]["measured"][-1]["test_error"] > 0
    assert results.runs[first, 2]["diverged_after"] is not None
    assert np.isnan(results.last(first, "test_error")).tolist() == [False, False, True]
    assert np.isnan(results.curve(first, "test_error")[:, 0]).tolist() == [False, False, True]


def test_a_run_that_went_on_with_finite_numbers_has_diverged_nevertheless() -> None:
    measured = {"measured": [{"test_error": 9.0, "train_loss": 2.0}]}
    runs: dict[tuple[str, int], dict[str, Any]] = {
        ("arm", 0): {**measured, "diverged_after": 3},
        ("arm", 1): {**measured, "diverged_after": None},
        ("arm", 2): measured,  # an old file
    }
    results = Results([Arm("arm", FINE)], SEEDS, runs)
    assert results.diverged("arm").tolist() == [True, False, False]


def test_statistics_use_finite_values_and_say_how_many_they_leave_out() -> None:
    values = np.array([1.0, NAN, 3.0, 2.0])
    found = estimate(values)
    assert (found.mean, found.left_out) == (2.0, 1)
    assert found.interval == pytest.approx(estimate(np.array([1.0, 3.0, 2.0])).interval)
    assert _estimate(found, 4).endswith("(1 of 4 diverged)")
    assert _estimate(estimate(np.array([NAN, NAN])), 2) == "2 of 2 diverged"
    assert estimate(np.array([NAN, 5.0])).interval is None
    other = np.array([2.0, 7.0, NAN, 9.0])
    assert paired_p(values, other) == paired_p(values[[0, 3]], other[[0, 3]])
    assert paired_p(values[:3], other[:3]) is None


def test_too_few_finite_runs_are_said() -> None:
    a, b = np.array([1.0, NAN, 3.0]), np.array([NAN, 2.0, 4.0])
    assert versus("new", a, "old", b, "the error") == (
        "the error cannot be compared between 'new' and 'old': too few runs are finite "
        "(1 of 3 seeds, and a comparison needs 2)"
    )
    text = best({"old": b, "new": a, "broken": np.full(3, NAN)}, "old", "error")
    assert "The lowest mean error is that of 'new'" in text
    assert "too few finite runs to compare: 'new', 'broken'" in text
    assert "no run is finite" in best({"old": np.full(3, NAN)}, "old", "error")


def test_a_grid_names_cells_without_a_finite_run() -> None:
    _, (axes,) = panels(1)
    means = np.array([[1.0, NAN], [3.0, 2.0]])
    grid(axes, means, [0, 1], [0, 1], xlabel="x", ylabel="y", label="z")
    assert [text.get_text() for text in axes.texts] == ["1.00", "diverged", "3.00", "2.00"]
    assert axes.images[0].get_clim() == (1, 3)


@pytest.mark.parametrize("widths", [(8, 4), (1, 1), (3, 5), (5, 3), (16, 2), (17, 4), (40, 40)])
def test_features_draws_any_number_of_units(widths: tuple[int, int]) -> None:
    n = widths[0]
    units = np.random.default_rng(0).standard_normal((min(n, features.UNITS), 784)).tolist()
    arms = [Arm(name, replace(FINE, num_hiddens=widths)) for name in ("with dropout", "without")]
    measured = {"diverged_after": None, "measured": [{"units": units}]}
    figure = features.draw(Results(arms, [4], {(arm.name, 4): measured for arm in arms}))
    images = [
        axes for half in figure.subfigs for axes in half.axes if axes.get_label() != "<colorbar>"
    ]
    assert sum(bool(axes.images) for axes in images) == 2 * min(n, 16)
    figure.savefig(io.BytesIO(), format="png", dpi=30)


def test_the_command_says_what_diverged(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "d2ldrop", "experiment", "features", "--seeds", "2"]
    command += [*OPTIONS, "--lr", "1e308", "--num-hiddens", "8", "4"]
    command += ["--out", str(tmp_path), "--name", "mine"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "RuntimeWarning" not in ended.stderr
    assert "2 of 2 diverged" in ended.stdout
    assert "4 of 4 runs diverged" in ended.stdout
    result = json.loads((tmp_path / "mine" / "result.json").read_text())
    assert "4 of 4 runs diverged" in result["conclusion"]
    assert [run["diverged_after"] for run in result["runs"]] == [1, 1, 1, 1]
    entry = result["tables"]["zeros_1"]["without"]
    assert entry["estimate"] == {"mean": None, "interval": None, "left_out": 2}
