"""Training steps that the suite gives to a backend, and how it takes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from d2ldrop.conformance.judge import check_form, fail, values_of
from d2ldrop.conformance.reference import NAMES, Result, Step, Values
from d2ldrop.contract import ConciseBackend
from d2ldrop.core.noise import NO_NOISE, LayerNoise, Noise
from d2ldrop.core.randomness import dropout_mask, normal_noise
from d2ldrop.core.recipe import NUM_INPUTS, NUM_OUTPUTS, Recipe
from d2ldrop.training.step_noise import draw_noise

Module = ConciseBackend[Any]  # checks of the concise version are skipped where it is missing
RATES = (0.3, 0.6)
"""Probabilities that float32 cannot hold; 1 - p differs from p, and both sites differ."""
WIDTHS = ((16, 16), (12, 9))
SPREAD = (0.06, 0.4, 0.4)
"""The standard deviation of W1, W2 and W3: activations, logits and gradients are about 1."""
BOUND = {"float64": 1e-13, "float32": 2e-5}
"""The largest error of a network's numbers, relative to the largest of them (at least 1)."""


def network(widths: tuple[int, int], dtype: str = "float64", seed: int = 0) -> tuple[Values, ...]:
    """W1, b1, W2, b2, W3, b3; no bias is 0."""
    sizes = (NUM_INPUTS, *widths, NUM_OUTPUTS)
    params = []
    for layer, spread in enumerate(SPREAD):
        W = spread * normal_noise(sizes[layer : layer + 2], seed=seed, site=2 * layer)
        b = 0.3 * normal_noise(sizes[layer + 1 : layer + 2], seed=seed, site=2 * layer + 1)
        params += [W.astype(dtype), b.astype(dtype)]
    return tuple(params)


def batch(n: int, dtype: str = "float64", seed: int = 0) -> tuple[Values, Values]:
    """Images (n, 784) in [0, 1) and labels (n,)."""
    rng = np.random.Generator(np.random.Philox(key=[seed, n]))
    return rng.random((n, NUM_INPUTS)).astype(dtype), rng.integers(0, NUM_OUTPUTS, n)


def boolean_masks(
    n: int, widths: tuple[int, int], rates: tuple[float, float] = RATES, seed: int = 0
) -> Noise:
    """Dropout at both sites with given masks."""
    first, second = (
        LayerNoise(p, dropout_mask((n, width), p, seed=seed, site=site))
        if 0 < p < 1
        else LayerNoise(p)
        for site, (p, width) in enumerate(zip(rates, widths, strict=True))
    )
    return first, second


@lru_cache(maxsize=64)
def make_step(
    n: int,
    widths: tuple[int, int],
    dtype: str = "float64",
    *,
    noise: str | None = None,
    seed: int = 0,
    **settings: Any,
) -> Step:
    """A step of n images.

    ``noise`` is "boolean", one of ``core.noise.NOISES`` (scaled as the training loop scales it) or
    None. ``settings`` are other fields of ``Step``.
    """
    drawn = NO_NOISE
    if noise == "boolean":
        drawn = boolean_masks(n, widths, seed=seed)
    elif noise is not None:
        recipe = Recipe(noise=noise, dropout=RATES, num_hiddens=widths, seed=seed, dtype=dtype)
        drawn = draw_noise(recipe, 0, 0, n)
    return Step(network(widths, dtype, seed), *batch(n, dtype, seed), drawn, **settings)


def send(backend: Module, array: Values, device: str) -> Any:
    """A copy of ``array`` as an array of the framework."""
    return backend.from_numpy(np.array(array, order="C"), device)


def send_noise(backend: Module, noise: Noise, device: str) -> Noise:
    """The noise with its masks as arrays of the framework."""
    first, second = (
        site if site.mask is None else site._replace(mask=send(backend, site.mask, device))
        for site in noise
    )
    return first, second


def send_params(backend: Module, params: Sequence[Values], device: str) -> list[Any]:
    """Trainable copies of ``params``."""
    return backend.init_params([np.array(param) for param in params], device)


def read_params(backend: Module, params: Iterable[Any], step: Step, place: str) -> list[Values]:
    """The values of parameters, which must have the form of those of ``step``."""
    found = [values_of(backend, param, place) for param in six(params, place)]
    for name, array, start in zip(NAMES, found, step.params, strict=True):
        check_form(f"{place}, {name}", array, start)
    return found


def read_loss(backend: Module, loss: Any, place: str) -> Values:
    """The value of a loss; NumPy makes a scalar, not an array, of a mean."""
    return np.array(loss) if isinstance(loss, np.generic) else values_of(backend, loss, place)


def six(params: Any, place: str) -> list[Any]:
    """The list of parameters that a function returned, W1 to b3."""
    if not isinstance(params, (list, tuple)):
        fail(place, f"expected a list of the {len(NAMES)} parameters, got {_described(params)}")
    if len(params) != len(NAMES):
        fail(place, f"expected the {len(NAMES)} arrays {', '.join(NAMES)}, got {len(params)}")
    return list(params)


def pair(answer: Any, place: str, what: str) -> tuple[Any, Any]:
    """The two values that a function of the concise version returned; ``what`` names them."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        fail(place, f"expected a tuple {what}, got {_described(answer)}")
    return answer


def unpacked(
    answer: Any, place: str, what: str = "(params, loss, logits)"
) -> tuple[list[Any], Any, Any]:
    """Parameters, loss and logits: what ``train_step`` or ``train_steps`` returned."""
    if not isinstance(answer, tuple) or len(answer) != 3:
        fail(place, f"expected a tuple {what}, got {_described(answer)}")
    params, loss, logits = answer
    if not isinstance(params, list):
        fail(place, f"expected a list of parameters, got {type(params).__name__}")
    return params, loss, logits


def taken(
    backend: Module, step: Step, device: str, place: str, params: Any = None
) -> tuple[Result, Any]:
    """What the backend's ``train_step`` gives; the gradients are those that the update shows.

    ``params`` are parameters of the framework to go on with. Also returns the new ones.
    """
    params = send_params(backend, step.params, device) if params is None else params
    answer = backend.train_step(
        params,
        send(backend, step.X, device),
        send(backend, step.y, device),
        step.lr,
        send_noise(backend, step.noise, device),
        step.weight_decay,
    )
    params, loss, logits = unpacked(answer, place)
    if step.max_norm is not None:
        params = backend.clip_norms(params, step.max_norm)
    new = read_params(backend, params, step, place)
    loss = read_loss(backend, loss, f"{place}, loss")
    logits = values_of(backend, logits, f"{place}, logits")
    gradients = tuple(
        (start.astype(np.float64) - end) / step.lr
        for start, end in zip(step.params, new, strict=True)
    )
    return Result(tuple(new), loss, logits, gradients), params


def _described(answer: object) -> str:
    size = f" of {len(answer)}" if isinstance(answer, (tuple, list)) else ""
    return f"{type(answer).__name__}{size}"
