"""The loop shows a model the right batches and computes its metrics from the right labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

from d2ldrop import Recipe, initial_weights, train
from d2ldrop.backend import Backend
from d2ldrop.core.randomness import batch_order
from d2ldrop.data import Dataset
from d2ldrop.training import loop
from d2ldrop.training.implementations import Chunk, Trained


def numbered_images(n: int) -> Any:
    """Images whose first pixel is their number."""
    images = np.full((n, 28, 28), 255, np.uint8)
    images[:, 0, 0] = np.arange(n)
    return images


LABELS = np.random.default_rng(0).integers(0, 10, 100).astype(np.uint8)
DATA = Dataset("numbered", numbered_images(100), LABELS, numbered_images(20), LABELS[:20])
RIGHT = np.arange(100) % 3 == 0
"""Which images the model classifies correctly."""


class FakeModel:
    """Records what the loop asks for; its loss is the number of the step."""

    def __init__(self, weights: Any, seen: list[Chunk]) -> None:
        self.start, self.seen = weights, seen

    def train(self, chunk: Chunk) -> Trained:
        self.seen.append(chunk)
        return Trained(np.array(chunk.steps, float), self.logits(chunk.images[:, :, 0, 0]))

    def predict(self, X: Any) -> Any:
        return self.logits((255 * X[:, 0]).round().astype(int))

    def logits(self, number: Any) -> Any:
        return np.eye(10)[(LABELS[number] + ~RIGHT[number]) % 10]

    def weights(self) -> Any:
        return self.start


def test_an_epoch_has_its_own_batches_steps_and_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches come in the epoch's order, steps are counted through, and labels match images."""
    seen: list[Chunk] = []
    monkeypatch.setattr(loop, "CHUNK", 2 * 32)
    monkeypatch.setattr(loop, "begin_epoch", lambda *given: FakeModel(given[2], seen))
    recipe = Recipe(num_epochs=3, batch_size=32, num_hiddens=(4, 3), seed=6)
    run = train("numpy", recipe, data=DATA)

    numbers = np.concatenate([chunk.images[:, :, 0, 0].ravel() for chunk in seen])
    labels = np.concatenate([chunk.labels.ravel() for chunk in seen])
    orders = [batch_order(6, epoch, 100) for epoch in range(3)]
    np.testing.assert_array_equal(numbers.reshape(3, 100), orders)
    np.testing.assert_array_equal(labels, LABELS[numbers])
    assert [step for chunk in seen for step in chunk.steps] == list(range(12))
    np.testing.assert_array_equal(run.trace, np.arange(12))
    for epoch, result in enumerate(run.history):
        first = 4 * epoch  # the number of the epoch's first step; the last batch has 4 images
        loss = np.average(range(first, first + 4), weights=[32, 32, 32, 4])
        assert result.epoch == epoch + 1
        assert result.train_loss == pytest.approx(loss, rel=1e-15)
        assert result.train_accuracy == RIGHT.mean()
        assert result.test_accuracy == RIGHT[:20].mean()


def test_evaluate_equals_its_definition(backend: Backend[Any], backend_name: str) -> None:
    """This protects the weights, which are used as they are, and the order of the labels."""
    weights = initial_weights(0, (784, 12, 9, 10), "float64")
    for layer in (1, 2, 3):
        weights[f"W{layer}"] *= 20
    weights["b3"] += np.arange(10) / 3
    images = np.random.default_rng(0).integers(0, 256, (100, 28, 28), np.uint8)
    H = images.reshape(100, 784) / 255
    for layer in (1, 2):
        H = np.maximum(H @ weights[f"W{layer}"] + weights[f"b{layer}"], 0)
    logs = special.log_softmax(H @ weights["W3"] + weights["b3"], axis=1)
    labels = np.where(RIGHT, logs.argmax(axis=1), LABELS).astype(np.uint8)
    assert len(np.unique(logs.argmax(axis=1))) > 3

    data = Dataset("shown", DATA.train_images, LABELS, images, labels)
    loss, accuracy = loop.evaluate(weights, backend_name, data)
    assert loss == pytest.approx(-logs[np.arange(100), labels].mean(), rel=1e-13)
    assert accuracy == np.mean(logs.argmax(axis=1) == labels)


@pytest.mark.parametrize("b2", [0.0, 1.0])
def test_the_gradient_of_relu_at_0_is_0(
    backend: Backend[Any], backend_name: str, b2: float
) -> None:
    """The first hidden layer is exactly 0 before ReLU; with b2 = 0 the second is, too."""
    rng = np.random.default_rng(0)
    weights = {
        **{"W1": np.zeros((784, 6)), "b1": np.zeros(6)},
        **{"W2": rng.normal(size=(6, 5)), "b2": np.full(5, b2)},
        **{"W3": rng.normal(size=(5, 10)), "b3": np.zeros(10)},
    }
    chunk = Chunk(range(1), DATA.train_images[None], LABELS.astype(np.int64)[None])
    for implementation, rng_kind in (
        ("scratch", "shared"),
        ("scratch", "native"),  # not compiled
        ("concise", "native"),
    ):
        recipe = Recipe(
            num_hiddens=(6, 5), batch_size=100, noise="none", rng=rng_kind, dtype="float64"
        )
        model = loop.begin_epoch(backend_name, implementation, weights, recipe, 0)
        model.train(chunk)
        changed = [name for name, w in model.weights().items() if (w != weights[name]).any()]
        expected = ["b2", "W3", "b3"] if b2 else ["b3"]
        assert changed == expected, (implementation, rng_kind)
