"""NumPy's training equals one that is written here, from the definitions alone.

The other tests of lockstep compare frameworks with NumPy. This one sees a fault that all share.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from d2ldrop import Recipe
from d2ldrop.core import randomness
from d2ldrop.core.randomness import Purpose
from d2ldrop.data import Dataset
from d2ldrop.data.stand_in import stand_in
from d2ldrop.training.loop import begin_epoch, train_chunks

# Float32 holds none of these numbers, and the last batch is smaller.
RECIPE = Recipe(
    num_epochs=3,
    batch_size=32,
    lr=0.1,
    num_hiddens=(12, 9),
    dropout=(0.3, 0.6),
    input_dropout=0.1,
    schedule="linear:4",
    weight_decay=0.03,
    max_norm=1.1,
    seed=3,
    dtype="float64",
)


def large_weights() -> dict[str, Any]:
    """Some of their columns are longer than max_norm, and the network learns at once."""
    weights = randomness.initial_weights(0, RECIPE.sizes, "float64")
    return {name: w * {"W1": 4, "W2": 30, "W3": 30}.get(name, 1) for name, w in weights.items()}


def noise(shape: tuple[int, int], p: float, purpose: Purpose, step: int, site: int = 0) -> Any:
    keep = randomness.dropout_mask(shape, p, seed=3, step=step, site=site, purpose=purpose)
    return keep / (1 - p)


def written_out(data: Dataset) -> tuple[list[Any], list[float]]:
    """The weights after each epoch and the loss of each step."""
    params, losses = list(large_weights().values()), list[float]()
    for epoch in range(3):
        bits = np.random.Philox(key=[3, 2], counter=[0, 0, epoch, 0])
        order = np.argsort(bits.random_raw(100), kind="stable")
        falling = 1 - epoch / 4
        p0, p1, p2 = 0.1 * falling, 0.3 * falling, 0.6 * falling
        for start in range(0, 100, 32):
            rows, step = order[start : start + 32], len(losses)
            n, y = len(rows), data.train_labels[rows]
            W1, b1, W2, b2, W3, b3 = params
            X = data.train_images[rows].reshape(n, 784) / 255
            X = X * noise((n, 784), p0, Purpose.INPUT, step)
            M1 = noise((n, 12), p1, Purpose.MASK, step, 0)
            M2 = noise((n, 9), p2, Purpose.MASK, step, 1)
            Z1 = X @ W1 + b1
            D1 = np.maximum(Z1, 0) * M1
            Z2 = D1 @ W2 + b2
            D2 = np.maximum(Z2, 0) * M2
            exp = np.exp(D2 @ W3 + b3)
            softmax = exp / exp.sum(axis=1, keepdims=True)
            losses.append(-np.log(softmax[np.arange(n), y]).mean())
            d3 = (softmax - np.eye(10)[y]) / n
            d2 = (d3 @ W3.T) * M2 * (Z2 > 0)
            d1 = (d2 @ W2.T) * M1 * (Z1 > 0)
            grads = [X.T @ d1, d1.sum(0), D1.T @ d2, d2.sum(0), D2.T @ d3, d3.sum(0)]
            for i, grad in enumerate(grads):
                is_matrix = i % 2 == 0
                new = params[i] - 0.1 * (grad + 0.03 * params[i] * is_matrix)
                norm = np.sqrt((new**2).sum(axis=0)) if is_matrix else 0
                params[i] = new / np.maximum(1, norm / 1.1)
    return params, losses


def test_three_epochs_equal_those_written_out() -> None:
    """This protects the batches, masks, rates and numbers that the loop hands to a backend."""
    data = Dataset("stand-in", *stand_in(100, 1))
    weights, trace = large_weights(), []
    assert max(np.linalg.norm(weights[name], axis=0).max() for name in ("W1", "W2")) > 1.1
    for epoch in range(3):
        model = begin_epoch("numpy", "scratch", weights, RECIPE, epoch)
        for _, trained in train_chunks(model, data, RECIPE, epoch):
            trace += trained.losses.tolist()
        weights = model.weights()
    params, losses = written_out(data)
    np.testing.assert_allclose(trace, losses, rtol=1e-12)
    for (name, found), expected in zip(weights.items(), params, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13, err_msg=name)
