"""Short trainings, as the textbook takes them: what a backend's trainings are compared with."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import count
from typing import NamedTuple

import numpy as np

from d2ldrop.conformance import reference
from d2ldrop.conformance.reference import NAMES, Step, Values
from d2ldrop.core.arrays import Weights
from d2ldrop.core.randomness import batch_order, nudged
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset, to_network
from d2ldrop.data.stand_in import stand_in
from d2ldrop.training.observed import TEST_IMAGES, Observed, Observer
from d2ldrop.training.quantities import Reference
from d2ldrop.training.short_training import short_data, short_recipe, short_weights
from d2ldrop.training.step_noise import draw_noise, drop_pixels
from d2ldrop.training.steps import take_steps

STEPS = 8
"""An epoch has 80 images: two batches of 32, then one of 16. Two steps are of the third epoch."""
FEW_STEPS = 4
"""The last one is of the second epoch."""
NUDGES = 3
SEEDS = (0, 1, 2)


class Training(NamedTuple):
    """A training to compare; its seed is replaced."""

    recipe: Recipe
    implementation: str = "scratch"
    steps: int = STEPS

    def of_seed(self, seed: int) -> Recipe:
        """The recipe with another seed."""
        return replace(self.recipe, seed=seed)


@cache
def data() -> Dataset:
    """Images and labels of every training."""
    return short_data(Dataset("stand-in", *stand_in(200, TEST_IMAGES)))


def trained(
    backend: str,
    recipe: Recipe,
    device: str,
    implementation: str = "scratch",
    num_steps: int = STEPS,
) -> Observed:
    """What the backend's training shows, step by step."""
    observer = Observer(data(), alone=num_steps)
    take_steps(
        backend,
        short_weights(recipe),
        recipe,
        data(),
        num_steps,
        implementation=implementation,
        device=device,
        observer=observer,
    )
    return observer.found


@cache
def expected(recipe: Recipe, num_steps: int = STEPS) -> Reference:
    """The textbook's training and nudged ones, which say how far rounding grows."""
    weights = short_weights(recipe)
    moved = [nudged(weights, recipe.seed, nudge) for nudge in range(NUDGES)]
    return Reference(
        by_the_book(recipe, weights, num_steps),
        [by_the_book(recipe, other, num_steps) for other in moved],
    )


def by_the_book(recipe: Recipe, weights: Weights, num_steps: int = STEPS) -> Observed:
    """What the textbook's training shows: the same names as those of ``Observer``."""
    params = tuple(weights.values())
    losses: list[Values] = []
    found: Observed = {}
    for epoch in count():
        for step in steps_of(recipe, epoch):
            result = reference.take(replace(step, params=params))
            params = result.params
            losses.append(result.loss)
            found[f"logits/{len(losses)}"] = result.logits
            found |= {
                f"{name}/{len(losses)}": array for name, array in zip(NAMES, params, strict=True)
            }
            if len(losses) == num_steps:
                X = to_network(data().test_images[:TEST_IMAGES], "float64")
                return found | {
                    "loss": np.array(losses),
                    "predictions": reference.logits_of(params, X),
                }
    raise AssertionError("unreachable: count() has no end")


def steps_of(recipe: Recipe, epoch: int) -> list[Step]:
    """The steps of an epoch (from 0), without parameters."""
    images, labels = data().train_images, data().train_labels
    order = batch_order(recipe.seed, epoch, len(images))
    starts = range(0, len(order), recipe.batch_size)
    steps = []
    for number, start in enumerate(starts, start=epoch * len(starts)):
        rows = order[start : start + recipe.batch_size]
        X = drop_pixels(to_network(images[rows], recipe.dtype), recipe, epoch, number)
        noise = draw_noise(recipe, epoch, number, len(rows))
        settings = recipe.lr, recipe.weight_decay, recipe.max_norm
        steps.append(Step((), X, labels[rows].astype(np.int64), noise, *settings))
    return steps


PLAIN = short_recipe(0, "scratch")
TRAININGS = {
    "dropout": Training(PLAIN),
    "a schedule": Training(replace(PLAIN, schedule="linear:3", input_dropout=0.2)),
    "widths 12 and 9": Training(replace(PLAIN, num_hiddens=(12, 9))),
    "dropconnect": Training(replace(PLAIN, noise="dropconnect")),
}
QUIET = short_recipe(0, "concise")
CONCISE = {
    "widths 16 and 16": Training(QUIET, "concise", FEW_STEPS),
    "widths 12 and 9": Training(replace(QUIET, num_hiddens=(12, 9)), "concise", FEW_STEPS),
}
