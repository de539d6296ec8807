"""Concise and scratch runs: in lockstep without noise, equal in distribution with noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from d2ldrop import Recipe, compare_backends, initial_weights, load_data, train
from d2ldrop.backend import Backend, get_train_steps, is_installed
from d2ldrop.comparison.lockstep import NUM_NUDGES, largest_difference, yardstick
from d2ldrop.core.randomness import nudged
from d2ldrop.data import Dataset
from d2ldrop.data.stand_in import stand_in
from d2ldrop.frameworks import framework
from d2ldrop.training.implementations import Chunk, CompiledScratch, make_model, recipe_for
from d2ldrop.training.loop import begin_epoch, train_chunks
from d2ldrop.training.steps import weights_after

Module = Backend[Any]
SMALL = Recipe(dtype="float64", num_hiddens=(32, 32), batch_size=8, lr=0.1)


@pytest.mark.parametrize("lr", [0.5, 0.1])  # an optimiser may round 0.1 to float32
def test_concise_runs_without_noise_are_in_lockstep_with_scratch(
    backend: Module, backend_name: str, lr: float
) -> None:
    data, steps = Dataset("stand-in", *stand_in(1000, 100)), 40
    recipe = replace(SMALL, batch_size=96, lr=lr, noise="none")
    weights = initial_weights(0, recipe.sizes, recipe.dtype)
    expected = weights_after("numpy", weights, recipe, data, steps)
    moved = [
        weights_after("numpy", nudged(weights, 0, nudge), recipe, data, steps)
        for nudge in range(NUM_NUDGES)
    ]
    found = weights_after(backend_name, weights, recipe, data, steps, implementation="concise")
    assert largest_difference(found, expected) <= min(10 * yardstick(expected, moved), 1e-8)
    assert largest_difference(found, weights) > 0.01


def losses(backend_name: str, implementation: str, recipe: Recipe) -> Any:
    """The mean training loss of one epoch with noise, for each of twelve seeds.

    The initial weights are large, so that the network learns at once.
    """
    data = Dataset("stand-in", *stand_in(600, 1))
    means = []
    for seed in range(12):
        run = recipe_for(backend_name, replace(recipe, seed=seed), implementation)
        weights = {
            name: (1 + 9 * (array.ndim == 2)) * array
            for name, array in initial_weights(seed, run.sizes, run.dtype).items()
        }
        model = begin_epoch(backend_name, implementation, weights, run, 0)
        chunks = train_chunks(model, data, run, 0)
        means.append(np.concatenate([trained.losses for _, trained in chunks]).mean())
    return np.array(means)


@pytest.mark.slow
def test_concise_runs_with_noise_are_equal_in_distribution(
    backend: Module, backend_name: str
) -> None:
    """Use a paired t-test over twelve seeds, with the same weights and batches but other masks.

    The limit is low, because the generators of frameworks change and there are ten such tests. The
    control shows that the test still notices rates that are wrong by 0.2 in each layer.
    """
    for noise in ("dropout", *framework(backend_name).concise_noises):
        recipe = replace(SMALL, noise=noise)
        scratch = losses(backend_name, "scratch", recipe)
        concise = losses(backend_name, "concise", recipe)
        p_value = stats.ttest_rel(scratch, concise).pvalue
        print(f"{noise}: scratch {scratch.mean():.4f}, concise {concise.mean():.4f}, p {p_value}")
        assert p_value > 1e-3, noise
        if noise == "dropout":
            other = losses(backend_name, "concise", replace(recipe, dropout=(0.4, 0.7)))
            assert stats.ttest_rel(scratch, other).pvalue < 1e-5


def test_the_layer_of_the_framework_applies_the_requested_noise(
    backend: Module, backend_name: str
) -> None:
    """The second hidden layer of this network is 3 everywhere, and its logits are that layer."""
    weights = {
        **{"W1": np.zeros((784, 10)), "b1": np.zeros(10), "W2": np.zeros((10, 10))},
        **{"b2": np.full(10, 3.0), "W3": np.eye(10), "b3": np.zeros(10)},
    }
    chunk = Chunk(range(1), np.zeros((1, 2000, 28, 28), np.uint8), np.zeros((1, 2000), np.int64))
    for noise in ("dropout", *framework(backend_name).concise_noises):
        recipe = Recipe(num_hiddens=(10, 10), dropout=(0.2, 0.4), dtype="float64", noise=noise)
        recipe = recipe_for(backend_name, recipe, "concise")
        model = begin_epoch(backend_name, "concise", weights, recipe, 0)
        H2 = model.train(chunk).logits[0]
        if noise in ("dropout", "unit"):
            np.testing.assert_allclose(np.unique(H2), [0, 3 / 0.6], err_msg=noise)
            assert (H2[0] == H2).all() == (noise == "unit")
        if noise == "dropout":
            assert stats.binomtest(int((H2 == 0).sum()), H2.size, 0.4).pvalue > 1e-4
        if noise in ("gaussian", "additive"):
            deviation = np.sqrt(0.4 / 0.6) * (3 if noise == "gaussian" else 1)
            assert stats.kstest((H2.ravel() - 3) / deviation, "norm").pvalue > 1e-3, noise


def test_predictions_use_no_dropout(backend: Module, backend_name: str) -> None:
    """This also holds after a training step, which turns dropout on."""
    weights = initial_weights(0, SMALL.sizes, "float64")
    recipe = recipe_for(backend_name, replace(SMALL, dropout=(0.5, 0.5)), "concise")
    model = begin_epoch(backend_name, "concise", weights, recipe, 0)
    model.train(eight_images())
    X = np.random.default_rng(0).random((8, 784))
    params = backend.init_params(list(model.weights().values()))
    expected = backend.to_numpy(backend.predict(params, backend.from_numpy(X)))
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-14)


def eight_images() -> Chunk:
    """One step on eight random images."""
    images = np.random.default_rng(0).integers(0, 256, (1, 8, 28, 28), np.uint8)
    return Chunk(range(1), images, np.arange(8)[None])


def test_weights_are_copies_in_the_layout_of_the_book(backend: Module, backend_name: str) -> None:
    weights = initial_weights(0, (784, 7, 5, 10), "float32")
    recipe = recipe_for(backend_name, Recipe(num_hiddens=(7, 5)), "concise")
    model = begin_epoch(backend_name, "concise", weights, recipe, 0)
    found = model.weights()
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.float32
        assert found[name].flags.c_contiguous
    model.train(eight_images())
    np.testing.assert_array_equal(found["b3"], weights["b3"])
    assert (model.weights()["b3"] != weights["b3"]).any()


def test_concise_runs_are_native_and_reproducible_and_resume(
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
    with pytest.raises(ValueError, match=r"with implementation \(--impl\) concise, not scratch"):
        train(backend_name, recipe, data=data, folder=tmp_path / "whole", resume=True)


def test_the_layer_of_the_framework_follows_the_schedule(
    backend: Module, backend_name: str
) -> None:
    """The first epoch has no noise and equals the scratch run. The second epoch differs."""
    data = load_data("stand-in", train_size=150, test_size=50)
    recipe = replace(SMALL, num_epochs=2, schedule="late:1")
    traces = [
        train(backend_name, recipe, implementation=implementation, data=data).trace
        for implementation in ("scratch", "concise")
    ]
    np.testing.assert_allclose(traces[1][:19], traces[0][:19], rtol=1e-9)
    assert np.abs(traces[1][19:] - traces[0][19:]).max() > 1e-5


@pytest.mark.only("numpy")
def test_the_layers_of_numpy_draw_its_native_masks(backend: Module, backend_name: str) -> None:
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
def test_recipes_that_the_concise_version_cannot_train_are_refused(
    backend_name_given: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    recipe = Recipe(**changes)
    with pytest.raises(ValueError, match=message):
        recipe_for(backend_name_given, recipe, "concise")
    with pytest.raises(ValueError, match=message):  # before the framework is imported
        train(backend_name_given, recipe, implementation="concise", data="stand-in")
    if is_installed(backend_name_given):  # compare_backends checks this first
        with pytest.raises(ValueError, match=message):
            compare_backends(
                [backend_name_given], recipe, implementation="both", data="stand-in", out=tmp_path
            )
    assert list(tmp_path.iterdir()) == []


def test_a_backend_without_a_concise_version_is_refused() -> None:
    import types

    module: Any = types.ModuleType("somebodys_backend")
    message = "somebodys_backend lacks concise_step, concise_predict: implementation 'scratch' tr"
    module.concise_mlp = module.concise_params = print
    with pytest.raises(ValueError, match=message):
        make_model("concise", module, None, {}, Recipe(), 0, "cpu")


def test_other_bad_arguments_are_refused() -> None:
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
        {"max_norm": 0.2, "input_dropout": 0.2},  # W1 starts with norms of 0.28
    ],
    ids=str,
)
@pytest.mark.only("tensorflow")
def test_compiled_steps_equal_single_steps(
    backend: Module, backend_name: str, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    data, recipe = Dataset("stand-in", *stand_in(330, 10)), replace(SMALL, batch_size=20, **changes)
    weights = initial_weights(0, recipe.sizes, recipe.dtype)
    monkeypatch.setattr("d2ldrop.training.loop.CHUNK", 20 * 6)
    chunks = []
    model = begin_epoch(backend_name, "scratch", weights, recipe, 0)
    assert isinstance(model, CompiledScratch)
    for steps, _ in train_chunks(model, data, recipe, 0):
        chunks.append(len(steps))
    assert chunks == [6, 6, 4, 1]  # 16 whole batches and one of 10 images

    one_by_one = make_model("scratch", backend, None, weights, recipe, 0, "cpu")
    for _ in train_chunks(one_by_one, data, recipe, 0):
        pass
    assert largest_difference(model.weights(), one_by_one.weights()) < 1e-12
    assert largest_difference(model.weights(), weights) > 1e-3


@pytest.mark.only("tensorflow")
def test_a_falling_schedule_keeps_only_few_graphs(backend: Module, backend_name: str) -> None:
    from d2ldrop_tensorflow_compiled import GRAPHS, compiled_steps

    data = Dataset("stand-in", *stand_in(128, 10))
    train(backend_name, replace(SMALL, num_epochs=5, batch_size=64, schedule="linear:5"), data=data)
    assert compiled_steps.cache_info().currsize <= GRAPHS


def test_native_masks_are_not_compiled(backend: Module, backend_name: str) -> None:
    """A compiled graph would repeat the same masks."""
    weights = initial_weights(0, SMALL.sizes)
    model = begin_epoch(backend_name, "scratch", weights, replace(SMALL, rng="native"), 0)
    assert not isinstance(model, CompiledScratch)
    compiled = isinstance(begin_epoch(backend_name, "scratch", weights, SMALL, 0), CompiledScratch)
    assert compiled == (get_train_steps(backend_name) is not None)


def test_an_epoch_in_chunks_reports_every_step(backend: Module, backend_name: str) -> None:
    data = Dataset("stand-in", *stand_in(5000, 100))
    recipe = replace(SMALL, batch_size=200, num_epochs=1)
    done: list[int] = []
    run = train(backend_name, recipe, data=data, on_step=lambda step, _: done.append(step))
    expected = train("numpy", recipe, data=data)
    assert done == list(range(1, 26))
    np.testing.assert_allclose(run.trace, expected.trace, rtol=1e-10)
    assert run.history[0].train_accuracy == expected.history[0].train_accuracy
    assert run.history[0].test_accuracy == expected.history[0].test_accuracy
