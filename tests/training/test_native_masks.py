"""Native masks, from scratch and concise: each site, step and epoch draws its own, at its rate."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import stats

from d2ldrop import Recipe
from d2ldrop.backend import Backend
from d2ldrop.training.implementations import Chunk, recipe_for
from d2ldrop.training.loop import begin_epoch

EPOCHS, STEPS, N, UNITS = 2, 2, 4000, 10
RECIPE = Recipe(
    num_hiddens=(UNITS, UNITS),
    num_epochs=EPOCHS,
    batch_size=N,
    dropout=(0.2, 0.4),
    schedule="linear:2",  # half of the rates in the second epoch
    dtype="float64",
    rng="native",
    lr=1e-30,  # the weights do not change
)
# The logits show both masks: the first hidden layer is 1 everywhere, and the second is 1 or more,
# where the first was kept.
WEIGHTS = {
    **{"W1": np.zeros((784, UNITS)), "b1": np.ones(UNITS)},
    **{"W2": np.eye(UNITS), "b2": np.ones(UNITS)},
    **{"W3": np.eye(UNITS), "b3": np.zeros(UNITS)},
}

Masks = dict[str, tuple[float, Any, Any]]
"""By name: the rate, which elements are kept, and which can be seen."""


def native_masks(backend_name: str, implementation: str) -> Masks:
    """The masks of each epoch, step and site; the first site shows where the second keeps."""
    recipe = recipe_for(backend_name, RECIPE, implementation)
    images = np.zeros((STEPS, N, 28, 28), np.uint8)
    labels = np.zeros((STEPS, N), np.int64)
    masks: Masks = {}
    for epoch in range(EPOCHS):
        model = begin_epoch(backend_name, implementation, WEIGHTS, recipe, epoch)
        steps = range(epoch * STEPS, (epoch + 1) * STEPS)
        p, q = (rate / (epoch + 1) for rate in recipe.dropout)
        trained = model.train(Chunk(steps, images, labels))
        for step, logits in zip(steps, trained.logits, strict=True):
            levels = [0, 1 / (1 - q), (1 + 1 / (1 - p)) / (1 - q)]
            np.testing.assert_allclose(np.unique(logits.round(5)), levels, atol=1e-5)
            kept_by_second = logits > levels[1] / 2
            kept_by_both = logits > sum(levels) / 2
            masks[f"step {step} site 0"] = (p, kept_by_both, kept_by_second)
            masks[f"step {step} site 1"] = (q, kept_by_second, np.ones_like(logits, bool))
    return masks


@pytest.mark.parametrize("implementation", ["scratch", "concise"])
def test_native_masks_have_their_rates_and_are_independent(
    backend: Backend[Any], backend_name: str, implementation: str
) -> None:
    """Whether one mask drops an element says nothing about any other mask."""
    masks = native_masks(backend_name, implementation)
    assert len(masks) == EPOCHS * STEPS * 2
    for name, (p, keep, seen) in masks.items():
        # This also compares the two sites of a step, because site 1 decides what is seen.
        assert binomial(~keep[seen], p), f"{name} drops {1 - keep[seen].mean():.4f}, not {p}"
    for (name, (_, keep, seen)), (other, (p, other_keep, other_seen)) in combinations(
        masks.items(), 2
    ):
        if name.split()[1] != other.split()[1]:
            dropped = ~keep & seen & other_seen
            assert binomial(~other_keep[dropped], p), f"{other} depends on {name}"


def binomial(dropped: Any, p: float) -> bool:
    """Whether the number of elements dropped is likely at rate p; one in 1e9 is not."""
    return bool(stats.binomtest(int(dropped.sum()), dropped.size, p).pvalue > 1e-9)
