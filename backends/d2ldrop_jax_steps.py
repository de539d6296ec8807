"""Compile training steps in JAX: masks are arguments, all other settings of the noise constants."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

import jax
from d2ldrop_jax_keys import draw

from d2ldrop.core.noise import Noise

FUNCTIONS = 2
"""Compiled functions to cache: a schedule changes the drop probabilities, which are constants."""

Step = TypeVar("Step", bound=Callable[..., Any])


def compiled(step: Step) -> Step:
    """The function ``train_step``, compiled."""

    @lru_cache(FUNCTIONS)
    def compile_for(settings: Noise, weight_decay: float) -> Callable[..., Any]:
        def take(params: Any, X: Any, y: Any, lr: Any, masks: Any) -> Any:
            return step(params, X, y, lr, with_masks(settings, masks), weight_decay)

        return jax.jit(take)

    @wraps(step)
    def train_step(
        params: Any, X: Any, y: Any, lr: float, noise: Noise, weight_decay: float = 0
    ) -> Any:
        settings, masks = without_masks(draw_masks(noise, X, params))
        return compile_for(settings, weight_decay)(params, X, y, float(lr), masks)

    return train_step  # type: ignore[return-value]  # a TypeVar cannot say that it is a Step


def draw_masks(noise: Noise, X: Any, params: list[Any]) -> Noise:
    """Draw the masks that ``noise`` lacks: a compiled function cannot draw a fresh one."""
    first, second = (
        site._replace(mask=draw((*X.shape[:-1], len(b))) >= site.dropout)
        if site.kind == "dropout" and site.mask is None and 0 < site.dropout < 1
        else site
        for site, b in zip(noise, params[1:4:2], strict=True)
    )
    return first, second


def without_masks(noise: Noise) -> tuple[Noise, list[Any]]:
    """The settings of both layers, which can be a key of a cache, and their masks."""
    first, second = (site._replace(mask=None) for site in noise)
    return (first, second), [site.mask for site in noise]


def with_masks(settings: Noise, masks: list[Any]) -> Noise:
    """The noise that ``without_masks`` took apart."""
    first, second = (site._replace(mask=mask) for site, mask in zip(settings, masks, strict=True))
    return first, second
