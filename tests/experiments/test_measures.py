"""What an experiment measures equals a calculation from the run's weights by other code."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from d2ldrop import dropout_mask, train
from d2ldrop.core.randomness import Purpose
from d2ldrop.experiments.catalogue import (
    activation_variance,
    early_late,
    features,
    float32_chaos,
    more_epochs,
    test_time,
)
from d2ldrop.experiments.engine import measures
from d2ldrop.training.run import Run
from tests.experiments.small import SMALL, SOURCE, plan

DATA = SOURCE.load()
RECIPE = replace(SMALL, dropout=(0.2, 0.6), dtype="float64", seed=5)


@pytest.fixture(scope="module")
def run() -> Run:
    """A finished run whose weights are random and large, so that masks change its predictions."""
    run = train("numpy", RECIPE, data=DATA)
    rng = np.random.default_rng(0)
    run.weights = {
        name: rng.standard_normal(values.shape)
        * (1 if values.ndim == 1 else values.shape[0] ** -0.5)
        for name, values in run.weights.items()
    }
    return run


def layers(run: Run, images: npt.NDArray[np.uint8], masks: Any = None) -> list[Any]:
    """Return the activations of both hidden layers and the logits."""
    W1, b1, W2, b2, W3, b3 = run.weights.values()
    scales = (
        [1, 1] if masks is None else [m / (1 - p) for m, p in zip(masks, (0.2, 0.6), strict=True)]
    )
    H1 = np.maximum(images.reshape(-1, 784) / 255 @ W1 + b1, 0) * scales[0]
    H2 = np.maximum(H1 @ W2 + b2, 0) * scales[1]
    return [H1, H2, H2 @ W3 + b3]


def error(scores: npt.NDArray[Any], labels: npt.NDArray[np.uint8]) -> float:
    wrong = sum(int(row.argmax()) != int(label) for row, label in zip(scores, labels, strict=True))
    return 100 * wrong / len(labels)


def test_an_error_is_the_share_of_wrong_predictions() -> None:
    scores = np.array([[3.0, 1, 2], [0, 5, 1], [1, 0, 7], [9, 8, 7]])
    assert measures.error_percent(scores, np.array([0, 1, 2, 1], np.uint8)) == 25
    assert measures.error_percent(scores, np.array([1, 0, 2, 1], np.uint8)) == 75


def test_the_training_error_is_that_of_the_first_training_images(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_test = error(layers(run, DATA.test_images)[-1], DATA.test_labels)
    for size in (len(DATA.train_labels), 70):
        monkeypatch.setattr(measures, "SAMPLE", size)
        on_train = error(layers(run, DATA.train_images[:size])[-1], DATA.train_labels[:size])
        assert on_train != on_test, "this test could not tell them apart"
        assert measures.train_error(run, DATA) == pytest.approx(on_train)
        assert early_late.measure(run, DATA) == {"train_error": pytest.approx(on_train)}
        test_error = 100 * (1 - run.history[-1].test_accuracy)
        gap = more_epochs.measure(run, DATA)["gap"]
        assert gap == pytest.approx(test_error - on_train)
        assert gap


def test_each_sample_of_test_time_has_its_own_masks(run: Run) -> None:
    total, expected = np.zeros((len(DATA.test_labels), 10)), {}
    for sample in range(max(test_time.SAMPLES)):
        masks = [
            dropout_mask((len(total), 16), p, seed=sample, step=0, site=site, purpose=Purpose.MC)
            for site, p in enumerate(RECIPE.dropout)
        ]
        exponentials = np.exp(layers(run, DATA.test_images, masks)[-1])
        total += exponentials / exponentials.sum(axis=1, keepdims=True)
        if sample + 1 in test_time.SAMPLES:
            expected[sample + 1] = error(total, DATA.test_labels)
    assert len(set(expected.values())) > 3, "one mask would give one value"
    measured = list(test_time.measure(run, DATA).values())
    assert measured == pytest.approx(list(expected.values()))


def test_the_variances_are_those_of_both_layers_and_both_modes(run: Run) -> None:
    steps = len(run.trace)
    masks = [
        dropout_mask((len(DATA.test_labels), 16), p, seed=5, step=steps - 1, site=site)
        for site, p in enumerate(RECIPE.dropout)
    ]
    off, on = layers(run, DATA.test_images), layers(run, DATA.test_images, masks)
    expected = {"evaluation_1": off[0], "evaluation_2": off[1]}
    expected |= {"training_1": on[0], "training_2": on[1]}
    assert activation_variance.measure(run, DATA) == {
        name: pytest.approx(np.var(values)) for name, values in expected.items()
    }


def test_features_are_measured_with_dropout_off(run: Run) -> None:
    measured = features.measure(run, DATA)
    for layer, values in enumerate(layers(run, DATA.test_images)[:2], start=1):
        assert measured[f"mean_{layer}"] == pytest.approx(values.mean())
        assert measured[f"zeros_{layer}"] == pytest.approx(100 * (values == 0).mean())
    squares = np.sort(run.weights["W1"] ** 2, axis=0)[::-1]
    assert measured["concentration"] == pytest.approx(
        100 * np.mean(squares[:78].sum(axis=0) / squares.sum(axis=0))
    )
    np.testing.assert_allclose(measured["units"], run.weights["W1"].T[: features.UNITS], atol=6e-6)


def test_float32_chaos_keeps_the_loss_of_each_step(run: Run) -> None:
    assert float32_chaos.measure(run, DATA) == {"trace": list(run.trace)}


def test_a_job_reports_the_error_and_the_loss_of_each_epoch(tmp_path: Path) -> None:
    planned = plan("more-epochs", tmp_path, recipe=replace(RECIPE, lr=0.01), seeds=1)
    for job in planned.jobs().values():
        reports: list[dict[str, Any]] = []
        job.run(partial(_keep, reports))
        measured = reports[-1]["measured"]
        twin = train("numpy", job.recipe, data=DATA)
        errors = [100 - 100 * epoch.test_accuracy for epoch in twin.history]
        assert min(errors) > 60, "an accuracy in place of an error would not be seen"
        assert [one["test_error"] for one in measured] == pytest.approx(errors)
        assert [one["train_loss"] for one in measured] == [one.train_loss for one in twin.history]
        assert measured[-1]["train_error"] == measures.train_error(twin, DATA)


def _keep(reports: list[dict[str, Any]], event: str, /, **values: Any) -> None:
    reports.append({"event": event, **values})
