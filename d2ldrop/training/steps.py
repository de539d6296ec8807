"""Training steps whose only result is weights: lockstep checks compare them."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from d2ldrop.core.arrays import Weights
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset
from d2ldrop.training.divergence import steps_before_divergence
from d2ldrop.training.implementations import recipe_for
from d2ldrop.training.loop import OnStep, begin_epoch, train_chunks


def take_steps(
    backend: str,
    weights: Weights,
    recipe: Recipe,
    data: Dataset,
    num_steps: int,
    *,
    implementation: str = "scratch",
    device: str = "cpu",
    on_step: OnStep | None = None,
) -> tuple[Weights, int | None]:
    """Take ``num_steps`` steps from ``weights``, over several epochs if needed.

    It serves to compare weights: it computes no metrics and writes no files. It ends early if the
    training diverges.

    Returns:
        The weights, and the number of steps after which the training has diverged (or None).
    """
    recipe = recipe_for(backend, recipe, implementation)
    trace = np.empty(0)
    for epoch in count():
        model = begin_epoch(backend, implementation, weights, recipe, epoch, device)
        for _, trained in train_chunks(model, data, recipe, epoch, num_steps - len(trace)):
            trace = np.concatenate([trace, trained.losses])
            if on_step:
                on_step(len(trace), num_steps)
            if not np.isfinite(trained.losses).all():
                break
        weights = model.weights()
        diverged = steps_before_divergence(trace, weights)
        if len(trace) == num_steps or diverged is not None:
            return weights, diverged
    raise AssertionError("unreachable: count() has no end")


def weights_after(*arguments: Any, **options: Any) -> Weights:
    """The weights after ``take_steps``, with its arguments."""
    return take_steps(*arguments, **options)[0]
