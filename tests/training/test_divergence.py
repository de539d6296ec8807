"""Runs that diverge: after how many steps, and what happens then."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop import Recipe, Run, initial_weights, load_data
from d2ldrop.backend import Backend
from d2ldrop.training import loop
from d2ldrop.training.divergence import (
    diverged_after,
    losses_of_finite_logits,
    steps_before_divergence,
)
from d2ldrop.training.folder import RunFolder
from d2ldrop.training.implementations import Chunk, Trained, recipe_for
from d2ldrop.training.steps import take_steps
from tests.training.runs import RECIPE, small_run

BROKEN = replace(RECIPE, lr=1e30)
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
NAN, INF = float("nan"), float("inf")
STEPS = 15  # of a small run: three epochs of five


@pytest.mark.parametrize(
    ("trace", "weight", "expected"),
    [
        ([2.3, 2.2], 1.0, None),
        ([2.3, NAN, NAN], NAN, 1),
        ([2.3, 9.0, INF, 3.0], 1.0, 2),  # an infinite loss, too, even if the next one is finite
        ([NAN], NAN, 0),
        ([2.3, 2.2], INF, 2),  # the next loss would not be finite
        ([2.3, 2.2], NAN, 2),
        ([], 1.0, None),
    ],
)
def test_the_first_loss_that_is_not_finite(
    trace: list[float], weight: float, expected: int | None
) -> None:
    assert steps_before_divergence(np.array(trace), {"W1": np.array([0.0, weight])}) == expected


def test_a_loss_of_infinite_logits_counts_as_nan() -> None:
    logits = np.zeros((4, 2, 10), np.float32)
    logits[1, 0, 3], logits[2, 1, 9], logits[3, 0, 0] = INF, NAN, -INF
    losses = losses_of_finite_logits(np.array([2.3, 64.0, 64.0, 2.3]), logits)
    np.testing.assert_array_equal(losses, [2.3, NAN, NAN, NAN])


def test_the_loop_records_such_a_loss_as_nan() -> None:
    class Clipping:
        """A framework that gives logits of -infinity a finite loss."""

        def train(self, chunk: Chunk) -> Trained:
            k, n = chunk.labels.shape
            return Trained(np.full(k, 64.0), np.full((k, n, 10), -INF))

        def predict(self, X: Any) -> Any:
            raise NotImplementedError

        def weights(self) -> dict[str, Any]:
            raise NotImplementedError

    data = load_data("stand-in", train_size=150, test_size=50)
    for _, trained in loop.train_chunks(Clipping(), data, RECIPE, 0):
        assert np.isnan(trained.losses).all()


@pytest.mark.parametrize(
    ("dtype", "lr", "expected"),
    [
        ("float32", 1e5, None),
        ("float32", 1e10, 2),
        ("float32", 1e20, 1),
        ("float64", 1e30, None),
        ("float64", 1e60, 2),
        ("float64", 1e200, 1),
        ("float64", 1e308, 1),
    ],
)
def test_without_noise_every_backend_diverges_after_as_many_steps(
    backend: Backend[Any], backend_name: str, dtype: str, lr: float, expected: int | None
) -> None:
    recipe = replace(RECIPE, num_epochs=1, lr=lr, dtype=dtype, noise="none")
    for implementation in ("scratch", "concise") if lr < LARGEST_FLOAT32 else ("scratch",):
        run = small_run(backend_name, recipe=recipe, implementation=implementation)
        # PaddlePaddle's ReLU turns NaN into 0, so its training may go on with finite numbers.
        allowed = [expected, None] if backend_name == "paddle" else [expected]
        assert run.diverged_after in allowed


def test_the_words() -> None:
    assert diverged_after(0) == "diverged after 0 steps"
    assert diverged_after(2350) == "diverged after 2,350 steps"


def test_a_run_that_does_not_diverge_says_so() -> None:
    run = small_run("numpy", on_divergence="stop")
    assert (run.diverged_after, run.stopped_early, len(run.trace)) == (None, False, STEPS)
    assert run.to_dict()["diverged_after"] is None
    assert run.to_dict()["stopped_early"] is False
    np.testing.assert_array_equal(run.trace, small_run("numpy").trace)


@pytest.mark.parametrize("implementation", ["scratch", "concise"])
@pytest.mark.parametrize("lr", [1e30, LARGEST_FLOAT32])
def test_every_backend_diverges_after_as_many_steps_and_trains_on(
    backend: Backend[Any], backend_name: str, implementation: str, lr: float
) -> None:
    recipe = replace(RECIPE, lr=lr)
    run = small_run(backend_name, recipe=recipe, implementation=implementation)
    # With its own masks and its ReLU, which turns NaN into 0, PaddlePaddle may take one step more.
    assert run.diverged_after in ([1, 2] if backend_name == "paddle" else [1])
    assert len(run.trace) == STEPS
    assert [result.epoch for result in run.history] == [1, 2, 3]
    assert not run.stopped_early


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scratch_takes_any_learning_rate(
    backend: Backend[Any], backend_name: str, dtype: str
) -> None:
    run = small_run(backend_name, recipe=replace(RECIPE, lr=1e308, dtype=dtype))
    assert run.diverged_after == 1


@pytest.mark.parametrize(
    "changes", [{"weight_decay": 1e308}, {"max_norm": 1e308}, {"max_norm": 1e-300}], ids=str
)
def test_other_numbers_beyond_float32_run(
    backend: Backend[Any], backend_name: str, changes: dict[str, float]
) -> None:
    assert len(small_run(backend_name, recipe=replace(RECIPE, **changes)).history) == 3  # type: ignore[arg-type]  # mypy does not know the field's name


def test_stop_ends_after_the_chunk_and_keeps_the_epochs_so_far(
    backend: Backend[Any], backend_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHUNK", 2 * 32)
    run = small_run(backend_name, recipe=BROKEN, on_divergence="stop", record=("activations",))
    assert (run.diverged_after, run.stopped_early) == (1, True)
    assert np.isfinite(run.trace).tolist() == [True, False]
    (epoch,) = run.history
    assert epoch.epoch == 1
    assert np.isnan(epoch.train_loss)
    assert 0 <= epoch.train_accuracy <= 1
    assert run.activations is not None
    assert len(run.activations) == 1


def test_a_stopped_run_has_a_complete_result_and_a_resume_takes_no_step(tmp_path: Path) -> None:
    options: dict[str, Any] = {"recipe": BROKEN, "on_divergence": "stop"}
    run = small_run("numpy", tmp_path, **options)
    folder = RunFolder(tmp_path)
    result = json.loads(folder.result.read_text())
    assert (result["diverged_after"], result["stopped_early"]) == (1, True)
    assert result["on_divergence"] == "stop"
    assert len(result["epochs"]) == 1
    assert np.load(folder.trace).shape == (4,)  # the last batch is a chunk of its own
    before = folder.result.read_bytes()
    again = small_run("numpy", tmp_path, resume=True, **options)
    assert again.stopped_early
    np.testing.assert_array_equal(again.trace, run.trace)
    assert folder.result.read_bytes() == before


def test_a_kill_before_the_result_is_written_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"recipe": BROKEN, "on_divergence": "stop"}
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save", lambda _folder, _run: None)
        small_run("numpy", tmp_path, **options)
    assert (tmp_path / "checkpoint.safetensors").exists()
    resumed = small_run("numpy", tmp_path, resume=True, **options)
    assert (len(resumed.trace), len(resumed.history)) == (4, 1)
    assert json.loads((tmp_path / "result.json").read_text())["stopped_early"] is True


def test_the_choice_is_part_of_the_identity(tmp_path: Path) -> None:
    small_run("numpy", tmp_path)
    with pytest.raises(ValueError, match=r"on_divergence \(--on-divergence\) continue, not stop"):
        small_run("numpy", tmp_path, resume=True, on_divergence="stop")


@pytest.mark.parametrize("bad", ["halt", None, True, ["stop"]])
def test_another_choice_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="on_divergence must be one of continue, stop, got "):
        small_run("numpy", on_divergence=bad)


def test_numpy_does_not_warn_about_overflow() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for implementation in ("scratch", "concise"):
            small_run(
                "numpy", recipe=BROKEN, implementation=implementation, record=("activations",)
            )


@pytest.mark.parametrize("name", ["numpy", "torch", "tensorflow", "mxnet", "paddle", "jax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_concise_versions_refuse_what_an_optimiser_cannot_store(name: str, dtype: str) -> None:
    recipe_for(name, Recipe(lr=LARGEST_FLOAT32, dtype=dtype), "concise")
    for lr in (3.5e38, 1e308):
        with pytest.raises(ValueError, match=r"lr must be at most 3.4e\+38, .* float32, got 1e"):
            recipe_for(name, Recipe(lr=1e308, dtype=dtype), "concise")
        with pytest.raises(ValueError, match="implementation 'scratch' takes it"):
            recipe_for(name, Recipe(lr=lr, dtype=dtype), "concise")


def test_steps_for_a_check_end_when_they_diverge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHUNK", 2 * 32)
    data = load_data("stand-in", train_size=150, test_size=50)
    recipe = replace(BROKEN, lr=1e308, dtype="float64")
    seen: list[int] = []
    start = initial_weights(0, recipe.sizes, "float64")
    _, steps = take_steps(
        "numpy", start, recipe, data, 12, on_step=lambda done, _: seen.append(done)
    )
    assert (steps, seen) == (1, [2])


def test_a_single_step_may_diverge() -> None:
    """Its only loss is finite, but its weights are not."""
    data = load_data("stand-in", train_size=150, test_size=50)
    start = initial_weights(0, RECIPE.sizes, "float32")
    _, steps = take_steps("numpy", start, replace(RECIPE, lr=1e308), data, 1)
    assert steps == 1


def test_old_results_are_runs_that_continue(tmp_path: Path) -> None:
    """A folder that an earlier version wrote can be resumed."""
    run: Run = small_run("numpy", tmp_path, recipe=BROKEN)
    file = tmp_path / "result.json"
    result = json.loads(file.read_text())
    for name in ("on_divergence", "diverged_after", "stopped_early", "arrays", "digest"):
        del result[name]
    result["format"] = 1
    file.write_text(json.dumps(result))
    assert small_run("numpy", tmp_path, recipe=BROKEN, resume=True).diverged_after == 1
    assert run.diverged_after == 1
