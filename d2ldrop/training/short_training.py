"""A short training that shows faults which a recipe may hide.

It uses weight decay and max-norm, numbers that float32 cannot hold, biases that are not zero, and
a last batch that is smaller. Lockstep checks take it on every framework, whatever their recipe.
"""

from __future__ import annotations

from dataclasses import replace

from d2ldrop.core.arrays import Weights
from d2ldrop.core.randomness import initial_weights
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset
from d2ldrop.training.observed import TEST_IMAGES

SHORT_STEPS = 5
"""With at least 65 images: two whole batches, a smaller one, and two of the next epoch."""
TRAIN_IMAGES = 80


def short_recipe(seed: int, implementation: str) -> Recipe:
    """The recipe; concise versions draw their own masks and have plain SGD."""
    plain = Recipe(batch_size=32, lr=0.1, num_hiddens=(16, 16), seed=seed, dtype="float64")
    if implementation == "concise":
        return replace(plain, noise="none")
    return replace(plain, dropout=(0.3, 0.6), weight_decay=0.3, max_norm=0.4)


def described(recipe: Recipe) -> str:
    """The recipe of a short training in words, for a sentence."""
    limits = ""
    if recipe.max_norm is not None:
        limits = f", weight decay {recipe.weight_decay:g} and max-norm {recipe.max_norm:g}"
    return f"a short training with lr {recipe.lr:g}{limits}"


def short_weights(recipe: Recipe) -> Weights:
    """Ten times the usual initial weights. The biases are the first row of their layer's weights.

    So max-norm limits every column of W1 and some columns of W2 and W3.
    """
    drawn = initial_weights(recipe.seed, recipe.sizes, recipe.dtype)
    weights = {name: 10 * array for name, array in drawn.items()}
    return weights | {f"b{layer}": weights[f"W{layer}"][0].copy() for layer in (1, 2, 3)}


def short_data(data: Dataset) -> Dataset:
    """The first images of ``data``."""
    train, test = slice(TRAIN_IMAGES), slice(TEST_IMAGES)
    return Dataset(
        data.name,
        data.train_images[train],
        data.train_labels[train],
        data.test_images[test],
        data.test_labels[test],
    )
