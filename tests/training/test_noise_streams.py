"""Each noise of a step comes from the stream that is named for it, in the dtype of the run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from d2ldrop import Recipe
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.core.randomness import Purpose, normal_noise
from d2ldrop.training.step_noise import draw_noise, drop_pixels

SEED, STEP, N, P = 5, 7, 12, (0.3, 0.6)
"""P has no probability whose scale float32 holds, unlike 0.2 with 1 / (1 - 0.2) = 1.25."""


def mask(purpose: Purpose, shape: tuple[int, int], site: int) -> Any:
    """A scaled mask in float64."""
    keep = dropout_mask(shape, P[site], seed=SEED, step=STEP, site=site, purpose=purpose)
    return keep / (1 - P[site])


def normal(shape: tuple[int, int], site: int) -> Any:
    """Normal noise in float64, with the variance of dropout."""
    noise = normal_noise(shape, seed=SEED, step=STEP, site=site)
    return math.sqrt(P[site] / (1 - P[site])) * noise


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_noise_has_its_own_stream_and_the_precision_of_the_run(dtype: str) -> None:
    """In float64 no mask and no normal number passes through float32."""
    sizes = (30, 20, 10)
    tolerance = 4 * float(np.finfo(dtype).eps)
    for noise, expected in {
        "dropout": [mask(Purpose.MASK, (N, sizes[site]), site) for site in (0, 1)],
        "unit": [mask(Purpose.UNIT, (1, sizes[site]), site) for site in (0, 1)],
        "dropconnect": [
            mask(Purpose.DROPCONNECT, (sizes[site], sizes[site + 1]), site) for site in (0, 1)
        ],
        "gaussian": [1 + normal((N, sizes[site]), site) for site in (0, 1)],
        "additive": [normal((N, sizes[site]), site) for site in (0, 1)],
    }.items():
        recipe = Recipe(seed=SEED, noise=noise, dropout=P, num_hiddens=sizes[:2], dtype=dtype)
        for site, want in zip(draw_noise(recipe, 0, STEP, N), expected, strict=True):
            assert site.mask.dtype == dtype
            np.testing.assert_allclose(site.mask, want, tolerance, tolerance, err_msg=noise)

    X = np.random.default_rng(0).random((N, 784)).astype(dtype)
    found = drop_pixels(X, Recipe(seed=SEED, input_dropout=P[0], dtype=dtype), 0, STEP)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, X * mask(Purpose.INPUT, X.shape, 0), tolerance)


def test_nothing_is_drawn_if_p_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hidden layers and the pixels need no mask: all of them are zero."""
    for draw in ("fast_masks._generator", "randomness.stream"):  # a call would fail
        monkeypatch.setattr(f"d2ldrop.core.{draw}", None)
    X = np.ones((5, 784))
    for noise in ("dropout", "unit", "dropconnect"):
        recipe = Recipe(noise=noise, dropout=(1, 1), input_dropout=1)
        for p, drawn, kind in draw_noise(recipe, 0, 0, 5):
            assert p == 1
            assert drawn is None if kind == "dropout" else not drawn.any()
        assert not drop_pixels(X, recipe, 0, 0).any()
