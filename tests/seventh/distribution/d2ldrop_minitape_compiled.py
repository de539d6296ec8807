"""Several training steps of MiniTape in one call."""

import numpy as np
from d2ldrop_minitape import clip_norms, train_step
from minitape import Array

from d2ldrop import LayerNoise, Noise


def train_steps(
    params: list[Array],
    X: Array,
    y: Array,
    lr: float,
    noise: Noise,
    weight_decay: float = 0,
    max_norm: float | None = None,
) -> tuple[list[Array], Array, Array]:
    """Take k steps: X (k, n, 784), y (k, n) and masks (k, …); losses (k,), logits (k, n, 10)."""
    losses, logits = [], []
    for i in range(len(y)):
        of_step = at_step(noise[0], i), at_step(noise[1], i)
        params, loss, one = train_step(params, X[i], y[i], lr, of_step, weight_decay)
        if max_norm is not None:
            params = clip_norms(params, max_norm)
        losses.append(loss.values)
        logits.append(one.values)
    return params, Array(np.stack(losses)), Array(np.stack(logits))


def at_step(noise: LayerNoise, i: int) -> LayerNoise:
    """The noise of one step; without a mask, each step draws a fresh one."""
    return noise if noise.mask is None else noise._replace(mask=noise.mask[i])
