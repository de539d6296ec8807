"""Training steps whose result is weights: lockstep checks compare them."""

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
from d2ldrop.training.observed import Observer


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
    observer: Observer | None = None,
) -> tuple[Weights, int | None]:
    """Take ``num_steps`` steps from ``weights``, over several epochs if needed.

    It serves to compare weights: it writes no files, and only ``observer`` computes more. It ends
    early if the training diverges; then ``observer`` does not see the end.

    Returns:
        The weights, and the number of steps after which the training has diverged (or None).
    """
    recipe = recipe_for(backend, recipe, implementation)
    trace = np.empty(0)
    for epoch in count():
        model = begin_epoch(backend, implementation, weights, recipe, epoch, device)
        alone = max(0, observer.alone - len(trace)) if observer else 0
        for _, trained in train_chunks(model, data, recipe, epoch, num_steps - len(trace), alone):
            trace = np.concatenate([trace, trained.losses])
            if observer:
                observer.after_chunk(model, trained)
            if on_step:
                on_step(len(trace), num_steps)
            if not np.isfinite(trained.losses).all():
                break
        weights = model.weights()
        diverged = steps_before_divergence(trace, weights)
        if len(trace) == num_steps or diverged is not None:
            if observer and diverged is None:
                observer.at_end(model, recipe.dtype)
            return weights, diverged
    raise AssertionError("unreachable: count() has no end")


def weights_after(*arguments: Any, **options: Any) -> Weights:
    """The weights after ``take_steps``, with its arguments."""
    return take_steps(*arguments, **options)[0]
