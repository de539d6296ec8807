"""Draw the noise of one training step for a recipe. NumPy draws it for every framework."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.core.fast_masks import dropout_mask, scaled, scaled_product
from d2ldrop.core.noise import LayerNoise, Noise, strength
from d2ldrop.core.randomness import Purpose, normal_noise
from d2ldrop.core.recipe import Recipe


def hidden_rates(recipe: Recipe, epoch: int) -> tuple[float, float]:
    """The drop probabilities of the two hidden layers in an epoch (from 0)."""
    if recipe.noise == "none":
        return 0, 0
    factor = strength(recipe.schedule, epoch)
    first, second = recipe.dropout
    return factor * first, factor * second


def input_rate(recipe: Recipe, epoch: int) -> float:
    """The drop probability of the pixels in an epoch (from 0)."""
    return strength(recipe.schedule, epoch) * recipe.input_dropout


def draw_noise(recipe: Recipe, epoch: int, step: int, n: int) -> Noise:
    """The noise of the hidden layers in one step on a batch of n images; masks are NumPy arrays.

    ``step`` counts from the first step of the run. With ``rng="native"`` there are no masks: the
    framework draws its own.
    """
    first, second = hidden_rates(recipe, epoch)
    if recipe.rng == "native":
        return LayerNoise(first), LayerNoise(second)
    return _draw(recipe, first, step, 0, n), _draw(recipe, second, step, 1, n)


def _draw(recipe: Recipe, p: float, step: int, site: int, n: int) -> LayerNoise:
    """The noise of one hidden layer."""
    if p == 0 or (p == 1 and recipe.noise != "dropconnect"):
        return LayerNoise(p)  # dropout_layer draws nothing for 0 and 1
    width, next_width = recipe.sizes[site + 1 : site + 3]
    if recipe.noise in ("gaussian", "additive"):
        normal = normal_noise((n, width), seed=recipe.seed, step=step, site=site)
        noise = math.sqrt(p / (1 - p)) * normal
        if recipe.noise == "additive":
            return LayerNoise(p, noise.astype(recipe.dtype), "add")
        return LayerNoise(p, (1 + noise).astype(recipe.dtype), "multiply")
    shape, purpose, kind = {
        "dropout": ((n, width), Purpose.MASK, "multiply"),
        "unit": ((1, width), Purpose.UNIT, "multiply"),
        "dropconnect": ((width, next_width), Purpose.DROPCONNECT, "weights"),
    }[recipe.noise]
    mask = dropout_mask(shape, p, seed=recipe.seed, step=step, site=site, purpose=purpose)
    # Scale once, here: a framework would scale twice, in the forward and the backward pass.
    kept = 1 if recipe.scaling == "original" or p == 1 else 1 - p
    return LayerNoise(p, scaled(mask, kept, recipe.dtype), kind)


def drop_pixels(X: npt.NDArray[Any], recipe: Recipe, epoch: int, step: int) -> npt.NDArray[Any]:
    """A batch of images X (n, 784) with the shared stream's dropout on the pixels.

    Sources: Srivastava et al. (2014), appendix A.4; Vincent et al., "Extracting and composing
    robust features with denoising autoencoders" (ICML 2008), who call it masking noise.
    """
    p = input_rate(recipe, epoch)
    if p == 0:
        return X
    if p == 1:
        return np.zeros_like(X)
    keep = dropout_mask(X.shape, p, seed=recipe.seed, step=step, purpose=Purpose.INPUT)
    return scaled_product(X, keep, 1 - p)
