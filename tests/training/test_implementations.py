"""The concise versions: the from-scratch run without dropout, and equal in distribution with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from d2ldrop import Recipe, compare_backends, initial_weights, load_data, train
from d2ldrop.backend import Backend, is_installed
from d2ldrop.comparison.lockstep import NUM_NUDGES, largest_difference, yardstick
from d2ldrop.core.randomness import nudged
from d2ldrop.data.fashion_mnist import Dataset
from d2ldrop.data.stand_in import stand_in
from d2ldrop.training.implementations import CONCISE_NOISES, make_model, recipe_for
from d2ldrop.training.loop import take_steps, train_steps

Module = Backend[Any]
SMALL = Recipe(dtype="float64", num_hiddens=(32, 32), batch_size=8, lr=0.1)


@pytest.mark.parametrize("lr", [0.5, 0.1])  # 0.1 is no float32: an optimiser may round it
def test_without_dropout_in_lockstep_with_scratch(
    backend: Module, backend_name: str, lr: float
) -> None:
    data, steps = Dataset("stand-in", *stand_in(1000, 100)), 40
    recipe = replace(SMALL, batch_size=96, lr=lr, noise="none")
    weights = initial_weights(0, recipe.sizes, recipe.dtype)
    expected = take_steps("numpy", weights, recipe, data, steps)
    moved = [
        take_steps("numpy", nudged(weights, 0, nudge), recipe, data, steps)
        for nudge in range(NUM_NUDGES)
    ]
    found = take_steps(backend_name, weights, recipe, data, steps, implementation="concise")
    assert largest_difference(found, expected) <= min(10 * yardstick(expected, moved), 1e-8)
    assert largest_difference(found, weights) > 0.01


def losses(backend_name: str, module: Module, implementation: str, recipe: Recipe) -> Any:
    """The mean training loss of an epoch, noise on, for each of twelve seeds.

    From weights large enough to learn at once.
    """
    data = Dataset("stand-in", *stand_in(600, 0))
    means = []
    for seed in range(12):
        run = recipe_for(backend_name, replace(recipe, seed=seed), implementation)
        weights = {
            name: (1 + 9 * (array.ndim == 2)) * array
            for name, array in initial_weights(seed, run.sizes, run.dtype).items()
        }
        model = make_model(implementation, module, weights, run, 0, "cpu")
        steps = train_steps(model, data, run, 0)
        means.append(np.mean([module.to_numpy(loss) for _, loss, _ in steps]))
    return np.array(means)


@pytest.mark.slow
def test_with_noise_equal_in_distribution(backend: Module, backend_name: str) -> None:
    """Paired t-test over twelve seeds: same weights and batches, other masks.

    The limit is low, for frameworks' generators change and ten tests draw ten p-values; the
    control shows what the test can see all the same: rates that are off by 0.2 in each layer.
    """
    for noise in ("dropout", *CONCISE_NOISES.get(backend_name, ())):
        recipe = replace(SMALL, noise=noise)
        scratch = losses(backend_name, backend, "scratch", recipe)
        concise = losses(backend_name, backend, "concise", recipe)
        p_value = stats.ttest_rel(scratch, concise).pvalue
        print(f"{noise}: scratch {scratch.mean():.4f}, concise {concise.mean():.4f}, p {p_value}")
        assert p_value > 1e-3, noise
        if noise == "dropout":
            other = losses(backend_name, backend, "concise", replace(recipe, dropout=(0.4, 0.7)))
            assert stats.ttest_rel(scratch, other).pvalue < 1e-5


def test_the_frameworks_layer_is_the_noise_that_is_asked_for(
    backend: Module, backend_name: str
) -> None:
    """A network whose second hidden layer is 3 everywhere and whose logits are that layer."""
    weights = {
        **{"W1": np.zeros((784, 10)), "b1": np.zeros(10), "W2": np.zeros((10, 10))},
        **{"b2": np.full(10, 3.0), "W3": np.eye(10), "b3": np.zeros(10)},
    }
    X, y = np.zeros((2000, 784)), np.zeros(2000, np.int64)
    for noise in ("dropout", *CONCISE_NOISES.get(backend_name, ())):
        recipe = Recipe(num_hiddens=(10, 10), dropout=(0.2, 0.4), dtype="float64", noise=noise)
        recipe = recipe_for(backend_name, recipe, "concise")
        model = make_model("concise", backend, weights, recipe, 0, "cpu")
        _, logits = model.steps(X, y, range(1))
        H2 = np.array(backend.to_numpy(logits))
        if noise in ("dropout", "unit"):
            np.testing.assert_allclose(np.unique(H2), [0, 3 / 0.6], err_msg=noise)
            assert (H2[0] == H2).all() == (noise == "unit")
        if noise == "dropout":
            assert stats.binomtest(int((H2 == 0).sum()), H2.size, 0.4).pvalue > 1e-4
        if noise in ("gaussian", "additive"):
            deviation = np.sqrt(0.4 / 0.6) * (3 if noise == "gaussian" else 1)
            assert stats.kstest((H2.ravel() - 3) / deviation, "norm").pvalue > 1e-3, noise


def test_predictions_have_no_dropout(backend: Module, backend_name: str) -> None:
    """And follow a step of training, which switches dropout on."""
    weights = initial_weights(0, SMALL.sizes, "float64")
    recipe = recipe_for(backend_name, replace(SMALL, dropout=(0.5, 0.5)), "concise")
    model = make_model("concise", backend, weights, recipe, 0, "cpu")
    X = np.random.default_rng(0).random((8, 784))
    model.steps(X, np.arange(8), range(1))
    images = backend.from_numpy(X)
    found = backend.to_numpy(model.predict(images))
    params = backend.init_params(list(model.weights().values()))
    np.testing.assert_allclose(found, backend.to_numpy(backend.predict(params, images)), atol=1e-14)


def test_weights_are_copies_in_the_books_layout(backend: Module, backend_name: str) -> None:
    weights = initial_weights(0, (784, 7, 5, 10), "float32")
    recipe = recipe_for(backend_name, Recipe(num_hiddens=(7, 5)), "concise")
    model = make_model("concise", backend, weights, recipe, 0, "cpu")
    found = model.weights()
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.float32
        assert found[name].flags.c_contiguous
    model.steps(np.ones((8, 784), np.float32), np.arange(8), range(1))
    np.testing.assert_array_equal(found["b3"], weights["b3"])
    assert (model.weights()["b3"] != weights["b3"]).any()


def test_concise_runs_draw_natively_repeat_and_resume(
    backend: Module, backend_name: str, tmp_path: Path
) -> None:
    data = load_data("stand-in", train_size=150, test_size=50)
    recipe = Recipe(num_epochs=3, batch_size=32, num_hiddens=(16, 8), input_dropout=0.1)

    def run(folder: str, **options: Any) -> Any:
        return train(
            backend_name,
            recipe,
            implementation="concise",
            data=data,
            folder=tmp_path / folder,
            **options,
        )

    whole = run("whole")
    assert (whole.implementation, whole.recipe.rng) == ("concise", "native")

    def stop(result: Any) -> None:
        if result.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("killed", on_epoch=stop)
    resumed = run("killed", resume=True)
    np.testing.assert_array_equal(resumed.trace, whole.trace)
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(resumed.weights[name], array)
    with pytest.raises(ValueError, match="holds a run with implementation concise, not scratch"):
        train(backend_name, recipe, data=data, folder=tmp_path / "whole", resume=True)


def test_a_schedule_reaches_the_frameworks_layer(backend: Module, backend_name: str) -> None:
    """Without noise in the first epoch, it is the scratch run's; in the second it is not."""
    data = load_data("stand-in", train_size=150, test_size=50)
    recipe = replace(SMALL, num_epochs=2, schedule="late:1")
    traces = [
        train(backend_name, recipe, implementation=implementation, data=data).trace
        for implementation in ("scratch", "concise")
    ]
    np.testing.assert_allclose(traces[1][:19], traces[0][:19], rtol=1e-9)
    assert np.abs(traces[1][19:] - traces[0][19:]).max() > 1e-5


@pytest.mark.only("numpy")
def test_numpys_layers_draw_what_its_native_masks_are(backend: Module, backend_name: str) -> None:
    data = load_data("stand-in", train_size=150, test_size=50)
    recipe = replace(SMALL, num_epochs=2, rng="native")
    scratch, concise = (
        train("numpy", recipe, implementation=implementation, data=data)
        for implementation in ("scratch", "concise")
    )
    np.testing.assert_allclose(concise.trace, scratch.trace, rtol=1e-13)


@pytest.mark.parametrize(
    ("backend_name_given", "changes", "message"),
    [
        ("torch", {"noise": "gaussian"}, "of torch cannot do noise 'gaussian': tensorflow has a"),
        ("numpy", {"noise": "unit"}, "of numpy cannot do noise 'unit': tensorflow, mxnet, paddle"),
        ("tensorflow", {"noise": "dropconnect"}, "no framework has a layer for it"),
        ("torch", {"max_norm": 2}, "max_norm must be None, got 2.0; implementation 'scratch'"),
        ("torch", {"weight_decay": 0.1}, "weight_decay must be 0.0, got 0.1"),
        ("torch", {"scaling": "original"}, "scaling must be 'inverted', got 'original'"),
        ("mxnet", {"dropout": (0.2, 1)}, "dropout must be at most 0.9999 with .* of mxnet, whose"),
        ("tensorflow", {"noise": "additive", "dropout": (0.2, 0.6)}, "dropout must be at most 0.5"),
    ],
)
def test_what_the_concise_version_cannot_do(
    backend_name_given: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    recipe = Recipe(**changes)
    with pytest.raises(ValueError, match=message):
        recipe_for(backend_name_given, recipe, "concise")
    with pytest.raises(ValueError, match=message):  # before the framework is even imported
        train(backend_name_given, recipe, implementation="concise", data="stand-in")
    if is_installed(backend_name_given):  # compare asks for that first
        with pytest.raises(ValueError, match=message):
            compare_backends(
                [backend_name_given], recipe, implementation="both", data="stand-in", out=tmp_path
            )
    assert list(tmp_path.iterdir()) == []


def test_a_backend_without_a_concise_version() -> None:
    import types

    module: Any = types.ModuleType("somebodys_backend")
    with pytest.raises(ValueError, match="somebodys_backend lacks concise_mlp: implementation 'sc"):
        make_model("concise", module, {}, Recipe(), 0, "cpu")


def test_what_else_is_refused() -> None:
    with pytest.raises(ValueError, match="implementation must be one of scratch, concise, got 'x'"):
        recipe_for("numpy", Recipe(), "x")
    with pytest.raises(ValueError, match="must be one of scratch, concise, both, got 'x'"):
        compare_backends(["numpy"], implementation="x", data="stand-in")
    with pytest.raises(ValueError, match=r"rng must be 'shared' with noise 'unit'.* got 'native'"):
        recipe_for("numpy", Recipe(noise="unit", rng="native"), "scratch")
    with pytest.raises(ValueError, match="record must be of activations, got 'x'"):
        train("numpy", record=["x"])
    with pytest.raises(TypeError, match="record must be a sequence of activations, got 'act"):
        train("numpy", record="activations")


# Several steps in one call


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"noise": "none"},
        {"noise": "unit", "weight_decay": 0.01},
        {"noise": "dropconnect", "dropout": (0.3, 0)},
        {"noise": "additive", "lr": 0.1},
        {"scaling": "original", "dropout": (0.2, 1)},
    ],
    ids=str,
)
def test_steps_in_one_call_are_those_one_by_one(
    backend: Module, backend_name: str, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    if not hasattr(backend, "train_steps"):
        pytest.skip("it takes one step a call")
    data, recipe = Dataset("stand-in", *stand_in(330, 10)), replace(SMALL, batch_size=20, **changes)
    weights = initial_weights(0, recipe.sizes, recipe.dtype)

    def stepped(together: int, num_steps: int) -> tuple[list[int], Any]:
        monkeypatch.setattr("d2ldrop.training.implementations.IMAGES_AT_ONCE", 20 * together)
        calls: list[int] = []
        found = take_steps(
            backend_name,
            weights,
            recipe,
            data,
            num_steps,
            on_step=lambda done, _: calls.append(done),
        )
        return calls, found

    calls, found = stepped(6, 27)  # an epoch: two calls of six, four whole batches, one of ten
    assert calls == [6, 12, 13, 14, 15, 16, 17, 23, 24, 25, 26, 27]
    one_by_one, expected = stepped(1, 27)
    assert one_by_one == list(range(1, 28))
    assert largest_difference(found, expected) < 1e-12
    assert largest_difference(found, weights) > 1e-3


def test_what_a_step_does_beside_its_train_step_keeps_steps_apart(backend: Module) -> None:
    weights = initial_weights(0, SMALL.sizes)
    for recipe in (
        replace(SMALL, max_norm=3.0),
        replace(SMALL, input_dropout=0.2),
        replace(SMALL, rng="native"),
    ):
        assert make_model("scratch", backend, weights, recipe, 0, "cpu").at_once == 1
    together = make_model("scratch", backend, weights, Recipe(), 0, "cpu").at_once
    assert together == (18 if hasattr(backend, "train_steps") else 1)


def test_an_epoch_in_few_calls_reports_every_step(backend: Module, backend_name: str) -> None:
    """Losses, accuracy and progress of steps that one call took."""
    if not hasattr(backend, "train_steps"):
        pytest.skip("it takes one step a call")
    data = Dataset("stand-in", *stand_in(5000, 100))
    recipe = replace(SMALL, batch_size=200, num_epochs=1)
    done: list[int] = []
    run = train(backend_name, recipe, data=data, on_step=lambda step, _: done.append(step))
    expected = train("numpy", recipe, data=data)
    assert done == list(range(1, 26))
    np.testing.assert_allclose(run.trace, expected.trace, rtol=1e-10)
    assert run.history[0].train_accuracy == expected.history[0].train_accuracy
    assert run.history[0].test_accuracy == expected.history[0].test_accuracy
