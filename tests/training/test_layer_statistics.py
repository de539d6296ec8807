"""The statistics of the hidden layers equal their definitions and are saved with the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop import Recipe, initial_weights, load_data, train
from d2ldrop.backend import Backend
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.data import Dataset
from d2ldrop.training.layer_statistics import hidden_statistics


def data() -> Dataset:
    return load_data("stand-in", train_size=150, test_size=60)


def test_the_statistics_equal_their_definitions() -> None:
    recipe = Recipe(num_hiddens=(20, 12), dtype="float64")
    weights = {k: 20 * w for k, w in initial_weights(0, recipe.sizes, "float64").items()}
    X = np.random.default_rng(0).random((40, 784))
    found = hidden_statistics(weights, X, recipe, epoch=1, last_step=9)
    assert found["epoch"] == 2
    for mode, masks in (
        ("evaluation", [np.ones((40, 20)), np.ones((40, 12))]),
        (
            "training",
            [
                dropout_mask((40, 20), 0.2, seed=0, step=9, site=0) / 0.8,
                dropout_mask((40, 12), 0.5, seed=0, step=9, site=1) / 0.5,
            ],
        ),
    ):
        H1 = np.maximum(X @ weights["W1"], 0) * masks[0]
        H2 = np.maximum(H1 @ weights["W2"], 0) * masks[1]
        layers: Any = found[mode]  # type: ignore[literal-required]
        for layer, H in zip(layers, (H1, H2), strict=True):
            assert layer["mean"] == pytest.approx(H.mean())
            assert layer["variance"] == pytest.approx(np.mean((H - H.mean()) ** 2))
            assert layer["zeros"] == np.count_nonzero(H == 0) / H.size


@pytest.mark.parametrize("implementation", ["scratch", "concise"])
def test_dropout_raises_variance_and_zeros_and_keeps_the_first_mean(
    backend: Backend[Any], backend_name: str, implementation: str
) -> None:
    recipe = Recipe(num_epochs=2, num_hiddens=(64, 64), batch_size=32)
    run = train(
        backend_name,
        recipe,
        implementation=implementation,
        data=data(),
        record=["activations"],
    )
    assert run.activations is not None
    assert [epoch["epoch"] for epoch in run.activations] == [1, 2]
    for epoch in run.activations:
        for noisy, clean in zip(epoch["training"], epoch["evaluation"], strict=True):
            assert noisy["variance"] > 1.1 * clean["variance"]
            assert noisy["zeros"] > clean["zeros"] + 0.05
        # Dropout does not change the mean of its own layer. The ReLU after it raises the next mean.
        noisy, clean = epoch["training"][0], epoch["evaluation"][0]
        assert noisy["mean"] == pytest.approx(clean["mean"], rel=0.03)
        assert 1 - noisy["zeros"] == pytest.approx(0.8 * (1 - clean["zeros"]), abs=0.01)


def test_the_original_form_is_evaluated_with_scaled_weights() -> None:
    """In evaluation, each layer receives keep * H from the layer before it."""
    recipe = Recipe(num_hiddens=(20, 12), dtype="float64", scaling="original")
    weights = {k: 20 * w for k, w in initial_weights(0, recipe.sizes, "float64").items()}
    X = np.random.default_rng(0).random((40, 784))
    found = hidden_statistics(weights, X, recipe, epoch=0, last_step=0)
    H1 = np.maximum(X @ weights["W1"], 0)
    H2 = np.maximum(H1 @ (0.8 * weights["W2"]), 0)
    assert [layer["mean"] for layer in found["evaluation"]] == pytest.approx([H1.mean(), H2.mean()])
    masked = H1 * dropout_mask((40, 20), 0.2, seed=0)
    assert found["training"][0]["mean"] == pytest.approx(masked.mean())


def test_without_dropout_both_modes_have_the_same_statistics() -> None:
    run = train("numpy", Recipe(num_epochs=1, noise="none"), data=data(), record=["activations"])
    assert run.activations is not None
    assert run.activations[0]["training"] == run.activations[0]["evaluation"]


def test_the_statistics_are_saved_and_a_resume_restores_them(tmp_path: Path) -> None:
    recipe = Recipe(num_epochs=3, num_hiddens=(16, 8), batch_size=32)

    def stop(result: Any) -> None:
        if result.epoch == 2:
            raise KeyboardInterrupt

    def run(name: str, **options: Any) -> Any:
        options = {"record": ["activations"], **options}
        return train("numpy", recipe, data=data(), folder=tmp_path / name, **options)

    whole = run("whole")
    saved = json.loads((tmp_path / "whole" / "result.json").read_text())
    assert saved["activations"] == whole.activations
    assert len(saved["activations"]) == 3
    with pytest.raises(KeyboardInterrupt):
        run("killed", on_epoch=stop)
    with pytest.raises(ValueError, match="holds a run with record"):
        run("killed", resume=True, record=[])
    assert run("killed", resume=True).activations == whole.activations
    plain = run("plain", record=[])
    assert plain.activations is None
    assert "activations" not in json.loads((tmp_path / "plain" / "result.json").read_text())
    np.testing.assert_array_equal(plain.trace, whole.trace)  # recording does not change the run


def test_json_preserves_statistics_that_are_not_finite(tmp_path: Path) -> None:
    recipe = Recipe(num_epochs=1, lr=1e200, dtype="float64", num_hiddens=(8, 8), batch_size=32)
    runs = []
    for resume in (False, True):
        with np.errstate(all="ignore"):
            run = train(
                "numpy", recipe, data=data(), folder=tmp_path, record=["activations"], resume=resume
            )
        assert run.activations is not None
        runs.append(run.activations[0]["evaluation"][0]["mean"])
    assert np.isnan(runs).all()
