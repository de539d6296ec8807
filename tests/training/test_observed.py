"""What is observed of training steps, and the short training."""

from __future__ import annotations

import numpy as np
import pytest

from d2ldrop import Recipe, load_data, train
from d2ldrop.core.randomness import initial_weights
from d2ldrop.training.observed import Observer, RunObserver
from d2ldrop.training.short_training import SHORT_STEPS, short_data, short_recipe, short_weights
from d2ldrop.training.steps import take_steps

DATA = load_data("stand-in", train_size=150, test_size=30)
RECIPE = Recipe(num_epochs=2, batch_size=32, num_hiddens=(4, 3), dtype="float64")
WEIGHTS = initial_weights(0, RECIPE.sizes, "float64")


def test_the_first_steps_are_observed() -> None:
    observer = Observer(DATA)
    final, _ = take_steps("numpy", WEIGHTS, RECIPE, DATA, 9, observer=observer)
    run = train("numpy", RECIPE, data=DATA)  # of two epochs with five steps each
    assert np.array_equal(observer.found["loss"], run.trace[:9])
    at = sorted(int(name[7:]) for name in observer.found if name.startswith("logits/"))
    assert at == [1, 2, 4, 8]
    assert observer.found["logits/1"].shape == (32, 10)
    assert observer.found["predictions"].shape == (30, 10)
    assert [name for name in observer.found if name.startswith("W1/")] == ["W1/4", "W1/9"]
    assert np.array_equal(observer.found["W1/9"], final["W1"])
    four, _ = take_steps("numpy", WEIGHTS, RECIPE, DATA, 4)
    assert all(np.array_equal(observer.found[f"{name}/4"], four[name]) for name in four)


def test_steps_that_are_taken_alone_are_all_observed() -> None:
    observer = Observer(DATA, alone=7)
    plain, _ = take_steps("numpy", WEIGHTS, RECIPE, DATA, 7)
    final, _ = take_steps("numpy", WEIGHTS, RECIPE, DATA, 7, observer=observer)
    assert all(np.array_equal(plain[name], final[name]) for name in plain)
    for step in range(1, 8):
        assert {f"b3/{step}", f"logits/{step}"} <= observer.found.keys()


def test_a_whole_run_is_observed() -> None:
    observer = RunObserver(DATA)
    take_steps("numpy", WEIGHTS, RECIPE, DATA, 10, observer=observer)
    run = train("numpy", RECIPE, data=DATA)
    assert np.array_equal(observer.found["loss"], run.trace)
    assert observer.found["right"].shape == (30,)
    assert observer.found["right"].mean() == run.history[-1].test_accuracy
    assert len(observer.found) == 2


def test_a_training_that_diverges_shows_no_end() -> None:
    observer = Observer(DATA)
    wild = Recipe(**{**RECIPE.to_dict(), "lr": 1e308})
    _, diverged = take_steps("numpy", WEIGHTS, wild, DATA, 9, observer=observer)
    assert diverged is not None
    assert "predictions" not in observer.found


@pytest.mark.parametrize("seed", [0, 7])
def test_the_short_training_uses_every_option(seed: int) -> None:
    recipe = short_recipe(seed, "scratch")
    weights, data = short_weights(recipe), short_data(DATA)
    for number in (recipe.lr, recipe.weight_decay, recipe.max_norm, *recipe.dropout):
        assert float(np.float32(number)) != number
    assert all(np.abs(weights[name]).min() > 0 for name in ("b1", "b2", "b3"))
    norms = {name: np.linalg.norm(weights[name], axis=0) for name in ("W1", "W2", "W3")}
    assert norms["W1"].min() > recipe.max_norm
    for name in ("W2", "W3"):
        assert norms[name].min() < recipe.max_norm < norms[name].max()
    assert 2 * recipe.batch_size < len(data.train_labels) < 3 * recipe.batch_size < 100
    assert SHORT_STEPS > 3  # the smaller batch, and then another epoch
    assert short_recipe(seed, "concise").noise == "none"
