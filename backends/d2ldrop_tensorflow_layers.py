"""Keras's noise layers for the concise implementation; one follows each activation."""

from typing import Any

import numpy as np
import tensorflow as tf


def noise_after(p: float, noise: str, dtype: np.dtype[Any]) -> Any:
    """Keras's own layer for ``noise`` with drop probability ``p``."""
    # Without a seed, Keras would draw one from Python's global generator.
    seed = int(tf.random.uniform((), 0, 2**31 - 1, tf.int32))
    if noise == "gaussian":
        return tf.keras.layers.GaussianDropout(p, seed, dtype=dtype)
    if noise == "additive":
        return tf.keras.layers.GaussianNoise((p / (1 - p)) ** 0.5, seed, dtype=dtype)
    noise_shape = (1, None) if noise == "unit" else None  # one mask for all examples
    return tf.keras.layers.Dropout(p, noise_shape, seed, dtype=dtype)
