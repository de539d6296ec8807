"""A comparison in which runs diverge: what holds, and what its table says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from d2ldrop import Recipe, compare_backends
from d2ldrop.comparison import checks
from d2ldrop.comparison.checks import Check
from d2ldrop.comparison.layout import console
from d2ldrop.comparison.lockstep import WHOLE_RUN, Lockstep
from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.rows import diverged_unlike_numpy
from d2ldrop.comparison.seen import Steps
from d2ldrop.comparison.table import comparison_table, remarks
from d2ldrop.core.files import dump_json, write_json
from d2ldrop.core.randomness import initial_weights, nudged
from d2ldrop.data import DataSource
from d2ldrop.processes.jobs import LockstepSteps

NAMES = ("numpy", "torch", "paddle")
VARIANTS = tuple(map(Variant, NAMES))
RECIPE = Recipe(num_epochs=1, num_hiddens=(8, 4), dtype="float64")
NAN = float("nan")


def row(diverged: int | None, status: str = "ok", **changes: Any) -> dict[str, Any]:
    return {
        "status": status,
        "framework_version": "1.0",
        "seconds_per_epoch": 1.0,
        "train_loss": None if diverged is not None else 0.5,
        "train_accuracy": 0.1,
        "test_accuracy": 0.1,
        "peak_rss_bytes": 1e8,
        "diverged_after": diverged,
        "stopped_early": False,
        **changes,
    }


def summary(rows: dict[str, dict[str, Any]], *checks: Lockstep) -> dict[str, Any]:
    recipe = Recipe()
    return {
        "recipe": recipe.to_dict(),
        "dataset": "stand-in",
        "train_size": 100,
        "test_size": 10,
        "device": "cpu",
        "backends": rows,
        "lockstep": [check.to_dict() for check in checks],
        "problem": None,
        "diverged_unlike_numpy": diverged_unlike_numpy(rows, recipe),
    }


def lockstep(numpys: tuple[int | None, ...], **others: int | None) -> Lockstep:
    return Lockstep(
        "first steps",
        100,
        NAMES,
        NAN,
        dict.fromkeys(others, NAN),
        others,
        numpys,
    )


@pytest.mark.parametrize(
    ("numpys", "variant", "holds"),
    [
        ((1, 1, 1, 1), 1, True),
        ((1, 1, 1, 1), 2, False),
        ((1, 1, 1, 1), None, False),
        ((7, 6, 7, 9), 6, True),  # as one of NumPy's nudged runs
        ((7, 6, 7, 9), 8, True),  # between them
        ((7, 6, 7, 9), 5, False),
        ((7, 6, 7, 9), 10, False),
        ((7, None, None, None), 7, True),
        ((0, 0, 0, 0), 0, True),
        ((None, 3, None, None), 3, False),  # NumPy itself did not diverge
        ((None, None, None, None), 3, False),
    ],
)
def test_who_diverges_like_numpy_is_in_lockstep(
    numpys: tuple[int | None, ...], variant: int | None, holds: bool
) -> None:
    assert lockstep(numpys, torch=variant).holds("torch") is holds


def test_a_variant_without_result_does_not_diverge_like_numpy() -> None:
    assert not lockstep((1, 1, 1, 1), numpy=1).holds("torch")


def write_one(run: LockstepSteps, diverged: int | None) -> None:
    """Files as a worker leaves them: no steps after the nudge, or NaN."""
    weights = initial_weights(0, RECIPE.sizes, "float64")
    if run.nudge is not None:
        weights = nudged(weights, 0, run.nudge)
    if diverged is not None:
        weights = {name: np.full_like(w, np.nan) for name, w in weights.items()}
    save_file(dict(weights), run.out)
    save_file({"loss": np.full(run.num_steps, 2.3)}, run.observed)
    write_json(run.divergence, {"diverged_after": diverged, "faults": []})


def write_steps(
    check: Check, folder: Path, diverged: list[int | None], torchs: int | None
) -> Lockstep:
    """Files as workers leave them: of NumPy's run and its nudged runs, and of PyTorch's."""
    steps = [*check.reference_steps(folder), check.steps(folder, VARIANTS[1])]
    for run, number in zip(steps, [*diverged, torchs], strict=True):
        write_one(run, number)
    for run in (*check.short_reference_steps(folder), check.short_steps(folder, VARIANTS[1])):
        write_one(run, None)
    found = check.measure_yardstick(folder)
    check.measure(found, folder, VARIANTS[1], Path())
    return found


def test_a_check_reads_who_diverged(tmp_path: Path) -> None:
    check = Check("first steps", RECIPE, 5, VARIANTS[:2])
    found = write_steps(check, tmp_path, [2, 2, 2, 2], 2)
    assert found.holds("torch")
    assert found.to_dict()["numpy_diverged_after"] == 2
    assert found.to_dict()["diverged_after"] == {"torch": 2}
    assert json.loads(dump_json(found.to_dict()))["yardstick"] is None
    assert not write_steps(check, tmp_path, [2, 2, 2, 2], None).holds("torch")
    assert not write_steps(check, tmp_path, [None] * 4, 2).holds("torch")
    assert write_steps(check, tmp_path, [None] * 4, None).holds("torch")


def test_a_nudge_that_diverges_is_chaos_and_numpy_agrees_with_itself(tmp_path: Path) -> None:
    check = Check("first steps", RECIPE, 5, VARIANTS[:2])
    found = write_steps(check, tmp_path, [None, None, 3, None], None)
    assert found.yardstick == float("inf")
    assert found.limit == 1e-8
    assert found.holds("torch")  # equal weights
    lines = remarks(summary({"numpy": row(None), "torch": row(None)}, found))
    assert "NumPy diverges after a nudge of one rounding error" in lines[0]
    assert lines[1].startswith("That is chaos")


def test_the_whole_run_is_judged_by_the_run_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps_of_run(folder: Path) -> Steps:
        """A stopped run has result.json; its weights are not read."""
        return Steps(folder / "missing", int(folder.name), folder)

    monkeypatch.setattr(checks, "steps_of_run", steps_of_run)
    check = Check(WHOLE_RUN, RECIPE, 5, VARIANTS[:2])
    for run in check.reference_steps(tmp_path):
        write_one(run, 4)
    found = check.measure_yardstick(tmp_path)
    check.measure(found, tmp_path, VARIANTS[1], tmp_path / "4")
    assert found.holds("torch")
    check.measure(found, tmp_path, VARIANTS[1], tmp_path / "3")
    assert not found.holds("torch")


def test_rows_and_remarks_say_diverged() -> None:
    found = summary(
        {"numpy": row(1), "torch": row(1, stopped_early=True)},
        lockstep((1, 1, 1, 1), numpy=1, torch=1),
    )
    terminal = console()
    with terminal.capture() as text:
        terminal.print(comparison_table(found))
    assert text.get().count("diverged after 1 step ") == 2
    assert "APART" not in text.get()
    (line,) = remarks(found)
    assert line == (
        "Check of 100 steps in float64: NumPy diverged after 1 step (its loss is no longer "
        "finite), and so did PyTorch (not measured: PaddlePaddle). A smaller lr (--lr) usually "
        "prevents it."
    )


def test_a_huge_loss_is_short() -> None:
    terminal = console()
    with terminal.capture() as text:
        terminal.print(comparison_table(summary({"numpy": row(None, train_loss=3.57817e13)})))
    assert " 3.578e+13 " in text.get()


def test_who_does_not_diverge_like_numpy_is_named() -> None:
    found = summary(
        {"numpy": row(None), "torch": row(3), "paddle": row(None)},
        lockstep((0, 0, 0, 0), numpy=0, torch=3, paddle=None),
    )
    lines = remarks(found)
    assert (
        "NOT in lockstep: PyTorch (diverged after 3 steps), PaddlePaddle (did not diverge)."
        in lines[0]
    )
    assert lines[1] == "NumPy's training did not diverge, unlike the training of PyTorch."
    reverse = summary({"numpy": row(2), "torch": row(2), "paddle": row(None)})
    assert remarks(reverse) == [
        "NumPy's training diverged after 2 steps, unlike the training of PaddlePaddle."
    ]


@pytest.mark.parametrize(
    ("rows", "changes", "expected"),
    [
        ({"numpy": row(1), "torch": row(9)}, {}, []),  # float32: other numbers of steps may be
        ({"numpy": row(None), "torch": row(9)}, {}, ["torch"]),
        ({"numpy": row(1), "torch": row(None)}, {}, ["torch"]),
        ({"numpy": row(None), "torch": row(9)}, {"rng": "native"}, []),  # other masks
        ({"numpy": row(None), "torch-concise": row(9)}, {}, []),
        ({"torch": row(9)}, {}, []),  # nothing to compare it with
        ({"numpy": {"status": "failed"}, "torch": row(9)}, {}, []),
        ({"numpy": row(1), "torch": {"status": "failed"}}, {}, []),
    ],
)
def test_training_diverges_if_and_only_if_numpys_does(
    rows: dict[str, Any], changes: dict[str, Any], expected: list[str]
) -> None:
    assert diverged_unlike_numpy(rows, Recipe(**changes)) == expected


@pytest.mark.parametrize("on_divergence", ["continue", "stop"])
def test_a_comparison_that_diverges_alike_is_ok(tmp_path: Path, on_divergence: str) -> None:
    options: dict[str, Any] = {
        "data": DataSource("stand-in", train_size=300, test_size=50),
        "out": tmp_path,
        "name": "n",
        "lockstep_steps": 3,
        "on_divergence": on_divergence,
    }
    recipe = Recipe(num_epochs=2, num_hiddens=(8, 8), lr=1e308, batch_size=100, dtype="float64")
    found = compare_backends(["numpy"], recipe, **options)
    assert found["ok"] is True
    stopped = on_divergence == "stop"
    assert found["on_divergence"] == on_divergence
    assert found["backends"]["numpy"]["diverged_after"] == 1
    assert found["backends"]["numpy"]["stopped_early"] is stopped
    assert [check["what"] for check in found["lockstep"]] == ["first steps", "whole run"]
    assert all(check["numpy_diverged_after"] == 1 for check in found["lockstep"])
    result = json.loads((tmp_path / "n" / "numpy" / "result.json").read_text())
    assert len(result["epochs"]) == (1 if stopped else 2)
    assert not any("NOT" in line for line in remarks(found))
    other = "continue" if stopped else "stop"
    with pytest.raises(
        ValueError, match=rf"with on_divergence \(--on-divergence\) {on_divergence}, not {other}"
    ):
        compare_backends(["numpy"], recipe, resume=True, **{**options, "on_divergence": other})
    assert compare_backends(["numpy"], recipe, resume=True, **options)["ok"]


def test_the_command_line(tmp_path: Path) -> None:
    small = ["--dataset", "stand-in", "--train-size", "300", "--test-size", "50"]
    small += ["--num-epochs", "1", "--num-hiddens", "8", "8", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "d2ldrop"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments, *small], capture_output=True, text=True, check=False
        )

    trained = run("train", "numpy", "--lr", "1e308", "--name", "a", "--on-divergence", "stop")
    assert trained.returncode == 0, trained.stderr
    assert "The run diverged after 1 step: a smaller --lr usually prevents it." in trained.stdout
    assert "RuntimeWarning" not in trained.stderr
    assert "RuntimeWarning" not in (tmp_path / "a" / "numpy" / "worker.log").read_text()
    refused = run("train", "numpy", "--impl", "concise", "--lr", "1e308", "--name", "b")
    assert refused.returncode == 2
    assert "--lr must be at most 3.4e+38, the largest number in float32" in refused.stderr
    refused = run("compare", "numpy", "--on-divergence", "halt", "--name", "c")
    assert refused.returncode == 2
    assert "'halt' is not one of 'continue', 'stop'" in refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
