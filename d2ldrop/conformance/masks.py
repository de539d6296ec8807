"""Fresh masks, as the values of a layer and the logits of a network show them, and exact tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from d2ldrop.conformance.judge import Values, fail, values_of
from d2ldrop.conformance.problems import Module
from d2ldrop.core.noise import LayerNoise
from d2ldrop.core.recipe import NUM_INPUTS, NUM_OUTPUTS

FALSE_ALARM = 1e-9
"""The largest probability that one test of a correct backend fails."""
IMAGES = 2000
Kept = npt.NDArray[np.bool_]
OPEN = (
    np.zeros((NUM_INPUTS, NUM_OUTPUTS)),
    np.ones(NUM_OUTPUTS),
    np.eye(NUM_OUTPUTS),
    np.ones(NUM_OUTPUTS),
    np.eye(NUM_OUTPUTS),
    np.zeros(NUM_OUTPUTS),
)
"""W1, b1, W2, b2, W3, b3 of a network whose logits show both masks.

Unit j of the first layer is 1, or 0 if it is dropped. Unit j of the second is 1 more than that, or
0 if it is dropped. Logit j is unit j of the second layer.
"""


class Masks(NamedTuple):
    """The masks (IMAGES, 10) of one step at both sites: True where a unit is kept."""

    sites: tuple[Kept, Kept]

    def seen(self, site: int) -> Kept:
        """Where the logits show the mask: that of the first site only where the second keeps."""
        return self.sites[1].copy() if site == 0 else np.ones_like(self.sites[1])


def kept(
    backend: Module, p: float, shape: Sequence[int], device: str, dtype: str = "float32"
) -> Kept:
    """A fresh mask of ``dropout_layer``."""
    X = backend.from_numpy(np.ones(shape, dtype), device)
    Y = values_of(backend, backend.dropout_layer(X, p), f"fresh masks, dropout_layer(X, {p})")
    scale = np.array(1 / (1 - p), dtype)
    wrong = (Y != 0) & (np.abs(Y - scale) > 8 * np.spacing(scale))
    if wrong.any():
        got = Y[wrong][0]
        fail(
            f"fresh masks, dropout_layer(X, {p}) of ones [{dtype}]",
            f"expected 0 or {scale}, got {got}",
        )
    result: Kept = Y != 0
    return result


def step_masks(backend: Module, rates: tuple[float, float], device: str) -> list[Masks]:
    """The fresh masks of two steps of ``train_step``."""
    X, y = _batch(backend, device)
    params = backend.init_params([array.copy() for array in OPEN], device)
    noise = LayerNoise(rates[0]), LayerNoise(rates[1])
    masks = []
    for _ in range(2):
        params, _, logits = backend.train_step(params, X, y, 1e-30, noise, 0)
        masks.append(_read(backend, logits, rates, "fresh masks, train_step"))
    return masks


def mlp_masks(backend: Module, rates: tuple[float, float], device: str) -> list[Masks]:
    """The fresh masks of two calls of ``mlp``."""
    X, _ = _batch(backend, device)
    params = backend.init_params([array.copy() for array in OPEN], device)
    noise = LayerNoise(rates[0]), LayerNoise(rates[1])
    calls = [backend.mlp(params, X, noise) for _ in range(2)]
    return [_read(backend, logits, rates, "fresh masks, mlp") for logits in calls]


def concise_masks(backend: Module, rates: tuple[float, float], device: str) -> list[Masks]:
    """The masks of two steps of ``concise_step``."""
    X, y = _batch(backend, device)
    net, trainer = backend.concise_mlp(
        [array.copy() for array in OPEN], rates, 1e-30, "dropout", device
    )
    steps = [backend.concise_step(net, trainer, X, y)[1] for _ in range(2)]
    return [_read(backend, logits, rates, "concise, concise_step") for logits in steps]


def concise_noise(backend: Module, noise: str, p: float, steps: int, device: str) -> Values:
    """Units (steps, IMAGES, 10) of the second layer, 1 without noise, in steps of the concise net.

    W2 is 0, so the noise of the first site is not seen.
    """
    X, y = _batch(backend, device)
    arrays = [array.copy() for array in OPEN]
    arrays[2][:] = 0
    net, trainer = backend.concise_mlp(arrays, (p, p), 1e-30, noise, device)
    place = f"concise, concise_step with noise {noise}"
    found = [
        values_of(backend, backend.concise_step(net, trainer, X, y)[1], place) for _ in range(steps)
    ]
    return np.stack(found)


def _batch(backend: Module, device: str) -> tuple[Any, Any]:
    X = np.zeros((IMAGES, NUM_INPUTS))
    labels = np.arange(IMAGES, dtype=np.int64) % NUM_OUTPUTS
    return backend.from_numpy(X, device), backend.from_numpy(labels, device)


def _read(backend: Module, logits: Any, rates: tuple[float, float], place: str) -> Masks:
    """The masks that logits of the network OPEN show.

    The framework's own layers may round their scale to float32.
    """
    place = f"{place} with dropout {rates}"
    found = values_of(backend, logits, place)
    first, second = (1 / (1 - p) for p in rates)
    dropped, only_second, both = 0.0, second, second * (1 + first)
    near = [np.abs(found - value) <= 1e-6 for value in (dropped, only_second, both)]
    wrong = ~(near[0] | near[1] | near[2])
    if found.shape != (IMAGES, NUM_OUTPUTS) or wrong.any():
        got = found[wrong][0] if wrong.shape == found.shape and wrong.any() else found.shape
        quiet = found.shape == wrong.shape and bool(np.isclose(found, 2).all())
        fail(
            place,
            f"expected logits of {dropped}, {only_second} or {both}: the scales 1 / (1 - p) of "
            f"the sites; got {got}{'; no dropout gives just this' if quiet else ''}",
        )
    return Masks((near[2], ~near[0]))


def check_rate(place: str, what: str, count: int, n: int, p: float) -> None:
    """Fail if ``count`` of n draws with probability p would be a chance below FALSE_ALARM."""
    chance = _chance(count, n, p)
    if chance < FALSE_ALARM:
        fail(
            place,
            f"expected {n * p:.0f} ± {np.sqrt(n * p * (1 - p)):.0f} {what} of {n}, got {count}: "
            f"{_hint(count / n, p) or f'a chance of {chance:.1g}'}",
        )


def check_agreement(place: str, one: Kept, other: Kept, p: float, q: float) -> None:
    """Fail if two masks are alike, or unlike, more often than independent ones of the rates p, q.

    Of independent masks, each pair of elements is equal with probability pq + (1 - p)(1 - q).
    """
    n, chance = one.size, p * q + (1 - p) * (1 - q)
    equal = int((one == other).sum())
    found = _chance(equal, n, chance)
    if found < FALSE_ALARM:
        alike = (
            "the masks are the same"
            if equal == n
            else "the masks are each other's opposite"
            if equal == 0
            else f"a chance of {found:.1g} with independent masks"
        )
        fail(
            place,
            f"expected {n * chance:.0f} ± {np.sqrt(n * chance * (1 - chance)):.0f} equal elements "
            f"of {n}, got {equal}: {alike}",
        )


def _chance(count: int, n: int, p: float) -> float:
    """The p-value of an exact two-sided binomial test."""
    if p in (0, 1):
        return float(count == n * p)
    from scipy.stats import binomtest

    return float(binomtest(count, n, p).pvalue)


def _hint(rate: float, p: float) -> str:
    """What the rate suggests."""
    if rate == 0:
        return "nothing is dropped"
    if rate == 1:
        return "everything is dropped"
    if abs(rate - (1 - p)) < 0.02 < abs(rate - p):
        return "a mask that is inverted gives this rate"
    return ""
