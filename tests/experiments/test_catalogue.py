"""Each experiment of the catalogue has the right arms and conclusions for made-up numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop.experiments import NAMES, Arm, Results, Setting, find_experiment
from d2ldrop.experiments.catalogue import float32_chaos, more_epochs, test_time
from tests.experiments.small import OPTIONS, SMALL, plan

WIGGLE = (0.0, 0.01, -0.01)  # a spread over the seeds, much smaller than the differences


def made_up(arms: dict[str, dict[str, Any]]) -> Results:
    """Results of three seeds: each arm has the given values, and a little spread."""
    runs = {
        (name, seed): {
            "measured": [{key: value + WIGGLE[(seed + i) % 3] for key, value in values.items()}]
        }
        for i, (name, values) in enumerate(arms.items())
        for seed in range(3)
    }
    return Results([Arm(name, SMALL) for name in arms], [0, 1, 2], runs)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="experiment must be one of swap-dropout, more-epochs"):
        find_experiment("no-such")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_runs_from_the_command_line(name: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path), "--name", "mine", "--quiet"]
    ended = subprocess.run(
        [sys.executable, "-m", "d2ldrop", "experiment", name, "--seeds", "2", *OPTIONS, *out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    folder = tmp_path / "mine"
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "figure.svg").read_text()
    result = json.loads((folder / "result.json").read_text())
    experiment = find_experiment(name)
    assert set(result["tables"]) == set(experiment.metrics)
    assert result["seeds"] == [0, 1]
    assert {"processor", "cores", "platform", "python"} <= set(result["machine"])
    assert result["d2ldrop_version"]
    for entries in result["tables"].values():
        for entry in entries.values():
            low, high = entry["estimate"]["interval"]
            assert low <= entry["estimate"]["mean"] <= high
            assert entry["difference"] or entry["p"] is None
        assert any(entry["difference"] for entry in entries.values())
    shown = " ".join(ended.stdout.split())
    assert " ".join(result["conclusion"].split()) in shown
    assert all(label.split()[0] in shown for label in experiment.metrics.values())


def weight_decay_conclusion(both: float) -> str:
    """The errors are 12 with neither, 11 with dropout, 11.5 with decay and ``both`` with both."""
    experiment = find_experiment("weight-decay")
    errors = {}
    for arm in experiment.arms(Setting(SMALL, 200, ["numpy"])):
        dropout, decay = not arm.name.startswith("no"), not arm.name.endswith("decay 0")
        error = {(0, 0): 12, (1, 0): 11, (0, 1): 11.5, (1, 1): both}[dropout, decay]
        errors[arm.name] = {"test_error": error}
    return experiment.conclude(made_up(errors))


@pytest.mark.parametrize(
    ("both", "joint_minus_sum", "verdict"),
    [
        # The single reductions are 1 and 0.5, and the joint reduction is 12 - both.
        (10.5, "0.00", "no significant departure from additive"),
        (10.8, "-0.30", "the effects diminish"),
        (11.3, "-0.80", "the effects cancel"),
        (10.0, "0.50", "more than the sum"),
    ],
)
def test_weight_decay_computes_the_difference_that_it_names(
    both: float, joint_minus_sum: str, verdict: str
) -> None:
    text = weight_decay_conclusion(both)
    named = "The joint reduction of the error minus the sum of the two single reductions is "
    assert verdict in text
    number = text.split(named)[1].split()[0]
    assert float(number) == pytest.approx(float(joint_minus_sum), abs=0.03)


def test_the_gap_is_the_test_error_minus_the_training_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class FakeEpoch:
        test_accuracy = 0.85

    class FakeRun:
        history = (FakeEpoch(),)

    monkeypatch.setattr(more_epochs, "train_error", lambda _run, _data: 5.0)
    measured = more_epochs.measure(FakeRun(), None)  # type: ignore[arg-type]  # only history is read
    assert measured == {"train_error": 5.0, "gap": pytest.approx(10)}
    assert more_epochs.LABELS["gap"] == "test minus training error (points)"


def test_test_time_plots_the_error_with_dropout_minus_the_error_without() -> None:
    values = {"test_error": 10.0, "on: 1 sample": 14.0}
    values |= {f"on: mean of {n}": 9.5 for n in test_time.SAMPLES[1:]}
    results = made_up({test_time.TRAINED: values})
    axes = test_time.draw(results).axes[0]
    np.testing.assert_allclose(np.asarray(axes.lines[0].get_ydata()), [4, *[-0.5] * 6], atol=0.02)
    assert axes.get_ylabel() == "test error minus that of weight scaling (points)"


def test_float32_chaos_uses_the_largest_absolute_difference() -> None:
    arms = [
        Arm(f"{name}, {dtype}", replace(SMALL, dtype=dtype))
        for dtype in ("float32", "float64")
        for name in ("NumPy", "Other")
    ]
    traces = ([1.0, 2.0], [1.1, 1.0], [1.0, 2.0], [1.0, 2.0 + 2**-40])
    runs = {
        (arm.name, seed): {"measured": [{"trace": trace}]}
        for arm, trace in zip(arms, traces, strict=True)
        for seed in range(2)
    }
    compared = float32_chaos.compared(Results(arms, [0, 1], runs), "largest")
    np.testing.assert_allclose(compared["float32"], [0, 0])  # log10(1)
    np.testing.assert_allclose(compared["float64"], np.log10(2.0**-40))


def test_float32_chaos_needs_a_second_framework() -> None:
    assert float32_chaos.backends("numpy", ["numpy", "torch", "jax"]) == ["numpy", "torch"]
    assert float32_chaos.backends("jax", ["numpy", "torch", "jax"]) == ["numpy", "jax"]
    with pytest.raises(ValueError, match="none is installed: 'd2ldrop backends' says how"):
        float32_chaos.backends("numpy", ["numpy"])


def test_data_size_has_at_most_all_images(tmp_path: Path) -> None:
    arms = plan("data-size", tmp_path).arms
    assert [arm.train_size for arm in arms] == [100, 100, 200, 200]
    assert [arm.recipe.num_epochs for arm in arms] == [2, 2, 1, 1]


def test_rate_sweep_keeps_the_expected_width(tmp_path: Path) -> None:
    widths = {arm.name: arm.recipe.num_hiddens for arm in plan("rate-sweep", tmp_path).arms}
    assert widths["width n, p = 0.8"] == (16, 16)
    assert widths["expected width n/2, p = 0.8"] == (40, 40)
    assert widths["expected width n/2, p = 0.5"] == (16, 16)
