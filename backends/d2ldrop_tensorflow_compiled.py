"""Several training steps in TensorFlow as one graph, compiled by XLA.

A graph avoids most of Python's overhead between operations. XLA fuses elementwise operations.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import tensorflow as tf
from d2ldrop_tensorflow import Array, clip_norms, train_step

from d2ldrop.core.noise import Noise

GRAPHS = 2
"""Graphs to cache. The drop probabilities are constants of a graph; a schedule changes them."""


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
    settings = tuple(site._replace(mask=None) for site in noise)
    steps = compiled_steps(lr, settings, weight_decay, max_norm)
    with tf.device(X.device):
        losses, logits = steps(params, X, y, [site.mask for site in noise])
    return params, losses, logits


@lru_cache(maxsize=GRAPHS)
def compiled_steps(
    lr: float, settings: Any, weight_decay: float, max_norm: float | None
) -> Callable[..., tuple[Array, Array]]:
    """The graph of ``train_steps``; all settings except the masks are constants of the graph."""

    @tf.function(jit_compile=True)
    def steps(params: list[Array], X: Array, y: Array, masks: Any) -> tuple[Array, Array]:
        def step(i: Array) -> tuple[Array, Array]:
            noise = tuple(
                site if mask is None else site._replace(mask=mask[i])
                for site, mask in zip(settings, masks, strict=True)
            )
            _, loss, logits = train_step(params, X[i], y[i], lr, noise, weight_decay)
            if max_norm is not None:
                clip_norms(params, max_norm)
            return loss, logits

        return tf.map_fn(
            step,
            tf.range(tf.shape(X)[0]),
            parallel_iterations=1,  # one step after another
            fn_output_signature=(X.dtype, X.dtype),
        )

    return steps
