"""Several training steps in JAX as one compiled loop, and ``dropout_layer`` in traced functions."""

from functools import partial
from typing import Any

import jax
import numpy as np
from d2ldrop_jax import Array, clip_norms, dropout_layer, train_step

from d2ldrop import loaded
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.core.noise import Noise
from d2ldrop.layer_arguments import resolve


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
    masks = [site.mask for site in noise]
    return compiled_steps(params, (X, y, masks), lr, settings, weight_decay, max_norm)


@partial(jax.jit, static_argnums=(2, 3, 4, 5), donate_argnums=0)
def compiled_steps(
    params: list[Array],
    batches: Any,
    lr: float,
    settings: Noise,
    weight_decay: float,
    max_norm: float | None,
) -> tuple[list[Array], Array, Array]:
    """``train_steps``; all settings except the masks are constants of the compiled function."""

    def step(params: list[Array], batch: Any) -> tuple[list[Array], tuple[Array, Array]]:
        X, y, masks = batch
        first, second = (
            site._replace(mask=mask) for site, mask in zip(settings, masks, strict=True)
        )
        params, loss, logits = train_step(params, X, y, lr, (first, second), weight_decay)
        if max_norm is not None:
            params = clip_norms(params, max_norm)
        return params, (loss, logits)

    params, (losses, logits) = jax.lax.scan(step, params, batches)
    return params, losses, logits


def is_traced(X: Any) -> bool:
    """Whether ``X`` has no value of its own, because JAX traces a function."""
    return isinstance(X, jax.core.Tracer)


def traced_layer(X: Any, dropout: float, mask: Any, seed: Any, step: Any, site: Any) -> Any:
    """``d2ldrop.dropout_layer`` of a traced ``X``; seed, step and site may be traced, too."""
    words = [0 if word is None else word for word in (seed, step, site)]
    if seed is not None and mask is None and any(is_traced(word) for word in words):
        dropout, _ = resolve(loaded.jax.backend, X, dropout, None, None, None, None)
        mask = draw_later(X, dropout, words)
    else:
        dropout, mask = resolve(loaded.jax.backend, X, dropout, mask, seed, step, site)
    return dropout_layer(X, dropout, mask=mask)


def draw_later(X: Array, dropout: float, words: list[Any]) -> Array:
    """The shared mask of a traced seed, step or site: NumPy draws it when the function runs."""

    def draw(*words: Any) -> Any:
        seed, step, site = (int(word) for word in words)
        return dropout_mask(X.shape, dropout, seed=seed, step=step, site=site)

    result = jax.ShapeDtypeStruct(X.shape, np.bool_)
    known = [word if is_traced(word) else np.uint64(word) for word in words]
    return jax.pure_callback(draw, result, *known, vmap_method="sequential")
