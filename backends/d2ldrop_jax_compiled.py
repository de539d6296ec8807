"""Several training steps in JAX as one compiled loop, and ``dropout_layer`` in traced functions."""

from collections.abc import Callable
from functools import lru_cache
from inspect import unwrap
from typing import Any

import jax
import numpy as np
from d2ldrop_jax import Array, clip_norms, dropout_layer, train_step
from d2ldrop_jax_steps import FUNCTIONS, draw_masks, with_masks, without_masks

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
    settings, masks = without_masks(draw_masks(noise, X, params))
    steps = compiled_steps(settings, weight_decay, max_norm)
    return steps(params, (X, y, masks), float(lr))


@lru_cache(FUNCTIONS)
def compiled_steps(
    settings: Noise, weight_decay: float, max_norm: float | None
) -> Callable[..., tuple[list[Array], Array, Array]]:
    """``train_steps``, compiled; all settings except lr and the masks are constants."""

    def steps(params: list[Array], batches: Any, lr: Any) -> tuple[list[Array], Array, Array]:
        def step(params: list[Array], batch: Any) -> tuple[list[Array], tuple[Array, Array]]:
            X, y, masks = batch
            noise = with_masks(settings, masks)
            params, loss, logits = unwrap(train_step)(params, X, y, lr, noise, weight_decay)
            if max_norm is not None:
                params = clip_norms(params, max_norm)
            return params, (loss, logits)

        params, (losses, logits) = jax.lax.scan(step, params, batches)
        return params, losses, logits

    return jax.jit(steps)


def is_tracer(x: Any) -> bool:
    """Whether ``x`` has no value, because JAX traces a function."""
    return isinstance(x, jax.core.Tracer)


def is_traced(X: Any) -> bool:
    """Whether ``X`` has no value, because JAX traces a function, or parts on several devices."""
    return is_tracer(X) or len(X.sharding.device_set) > 1


def traced_layer(X: Any, dropout: float, mask: Any, seed: Any, step: Any, site: Any) -> Any:
    """``d2ldrop.dropout_layer`` of a traced ``X``; seed, step and site may be traced, too."""
    if is_tracer(dropout):
        raise TypeError(
            "dropout must be a number, got a value that JAX traces: "
            "jax.jit(function, static_argnames=...) makes an argument a constant of the function"
        )
    if seed is not None and not all(isinstance(size, int) for size in X.shape):
        raise ValueError(
            f"the shared mask needs a known shape of X, got {X.shape}: "
            "export the function with numbers in place of symbolic sizes, or give a mask"
        )
    words = {"seed": seed, "step": step, "site": site}
    if mask is None and seed is not None and any(map(is_tracer, words.values())):
        dropout, _ = resolve(loaded.jax.backend, X, dropout, None, None, None, None)
        mask = draw_later(X.shape, dropout, words)
    else:
        given = mask
        dropout, mask = resolve(loaded.jax.backend, X, dropout, mask, seed, step, site)
        if isinstance(given, np.ndarray):
            mask = given.copy()  # the gradient is computed later, and the caller may change it
    return dropout_layer(X, dropout, mask=mask)


def draw_later(shape: tuple[int, ...], dropout: float, words: dict[str, Any]) -> Array:
    """The shared mask of a traced seed, step or site: NumPy draws it when the function runs."""
    known = {name: word for name, word in words.items() if word is not None}
    traced = {name: known.pop(name) for name, word in words.items() if is_tracer(word)}
    for name, word in traced.items():
        if word.shape != () or word.dtype.kind not in "iu":
            raise TypeError(f"{name} must be an integer, got {word.dtype} of shape {word.shape}")

    def draw(traced: dict[str, Any]) -> Any:
        numbers: dict[str, Any] = {name: int(word) for name, word in traced.items()}
        return dropout_mask(shape, dropout, **known, **numbers)

    mask = jax.eval_shape(lambda: jax.numpy.empty(shape, bool))
    return jax.pure_callback(draw, mask, traced, vmap_method="sequential")
