"""L4: fresh masks and the framework's own random numbers, by exact tests; and float32.

Each test of a count is an exact binomial test. A backend without a fault fails it with a
probability of at most 1e-9. Everything draws from seeds, so a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import NormalDist
from threading import Barrier

import numpy as np
import pytest

from d2ldrop.conformance.judge import fail, skip_undeclared, values_of
from d2ldrop.conformance.masks import (
    Kept,
    Masks,
    check_agreement,
    check_rate,
    concise_masks,
    concise_noise,
    kept,
    mlp_masks,
    step_masks,
)
from d2ldrop.conformance.problems import RATES, Module
from d2ldrop.conformance.test_l3_lockstep import need_concise
from d2ldrop.conformance.trainings import FEW_STEPS, PLAIN, by_the_book, trained
from d2ldrop.core.randomness import nudged
from d2ldrop.frameworks import Framework
from d2ldrop.training.short_training import short_weights

CALLS, SIZE = 10, 1_000_000
"""10^7 draws: a rate of 0.2 that is wrong by 0.7 % fails with a probability above 0.999."""
FLOAT32_STEPS = 4
Draw = Callable[[tuple[float, float], int], list[Masks]]
"""Seeds the generator, and returns the masks of some steps; takes the rates and the seed."""


@pytest.mark.place("fresh masks")
@pytest.mark.parametrize("p", [0.001, 0.2, 0.5])
def test_rate(backend: Module, device: str, p: float) -> None:
    """Fresh masks drop with probability p: 10^7 draws."""
    backend.manual_seed(1)
    masks = [kept(backend, p, (SIZE,), device) for _ in range(CALLS)]
    dropped = sum(int((~mask).sum()) for mask in masks)
    check_rate(f"fresh masks, rate [p={p}]", "dropped elements", dropped, CALLS * SIZE, p)


@pytest.mark.place("fresh masks")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_independence(backend: Module, device: str, dtype: str) -> None:
    """Two calls, the rows of one mask and its columns do not depend on each other."""
    backend.manual_seed(1)
    p = 0.3
    first, second = (kept(backend, p, (1000, 500), device, dtype) for _ in range(2))
    place = f"fresh masks, independence [p={p}, {dtype}]"
    check_agreement(f"{place}, two calls", first, second, p, p)
    check_agreement(f"{place}, rows of one mask", first[::2], first[1::2], p, p)
    check_agreement(f"{place}, columns of one mask", first[:, ::2], first[:, 1::2], p, p)
    check_agreement(f"{place}, halves of one mask", first[:500], first[500:], p, p)


@pytest.mark.place("seeding")
def test_manual_seed(backend: Module, device: str) -> None:
    """The same seed gives the same masks in the same order; other seeds give others."""
    draws = {}
    for number, seed in enumerate((1, 1, 2, 1 + 2**16, 2**31 - 1, 0)):
        backend.manual_seed(seed)
        draws[number] = seed, [kept(backend, 0.5, (2000,), device) for _ in range(2)]
    (_, first), (_, again) = draws[0], draws[1]
    for number, (one, other) in enumerate(zip(first, again, strict=True), start=1):
        if not np.array_equal(one, other):
            fail(
                f"seeding, manual_seed(1) twice, mask {number} after it",
                "expected the same mask after the same seed, "
                f"got masks that differ in {int((one != other).sum())} of {one.size} elements",
            )
    for number in range(2, len(draws)):
        for earlier in range(1, number):
            (seed, masks), (other_seed, others) = draws[number], draws[earlier]
            place = f"seeding, manual_seed({other_seed}) and manual_seed({seed})"
            check_agreement(place, masks[0], others[0], 0.5, 0.5)


def check_masks(place: str, draw: Draw) -> None:
    """The fresh masks of training steps: rates, sites, steps and seeds."""
    for rates in ((RATES[0], 0.0), (0.0, RATES[1])):
        check_rates(f"{place} with dropout {rates}", rates, draw(rates, 1))
    where, drawn = f"{place} with dropout {RATES}", draw(RATES, 1)
    check_rates(where, RATES, drawn)
    first = drawn[0]
    seen = first.seen(0)
    seen[1:] &= first.seen(1)[:-1]  # the second site of one row beside the first of the next
    one, other = first.sites[0][1:][seen[1:]], first.sites[1][:-1][seen[1:]]
    check_agreement(f"{where}, rows of the two sites", one, other, *RATES)
    check_seeds(place.partition(", ")[2], first, draw)


def check_rates(where: str, rates: tuple[float, float], steps: list[Masks]) -> None:
    """The rate of each site in each step, and that two steps have masks of their own."""
    for site, p in enumerate(rates):
        at = f"{where}, the {('first', 'second')[site]} site"
        for masks in steps:
            seen = masks.seen(site)
            dropped, n = int((~masks.sites[site][seen]).sum()), int(seen.sum())
            if site == 0 and dropped == 0 and min(rates) > 0:
                fail(
                    at,
                    f"expected {n * p:.0f} dropped units of the {n} that the second site keeps, "
                    "got 0: both sites have one mask",
                )
            check_rate(at, "dropped units", dropped, n, p)
        if 0 < p < 1:
            first, second = steps
            both = first.seen(site) & second.seen(site)
            one, other = first.sites[site][both], second.sites[site][both]
            check_agreement(f"{at} in two steps", one, other, p, p)


def check_seeds(place: str, one: Masks, draw: Draw) -> None:
    """The masks of a step repeat after the same seed, 1, and differ after another."""
    again, other = draw(RATES, 1)[0], draw(RATES, 2)[0]
    if not np.array_equal(one.sites[1], again.sites[1]):
        fail(
            f"seeding, {place} after the same manual_seed",
            f"expected the same masks, got others in {_apart(one, again)} units",
        )
    p = RATES[1]
    where = f"seeding, {place} after another manual_seed"
    check_agreement(where, one.sites[1], other.sites[1], p, p)


def _apart(one: Masks, other: Masks) -> str:
    return f"{int((one.sites[1] != other.sites[1]).sum())} of {one.sites[1].size}"


@pytest.mark.place("fresh masks")
def test_fresh_masks_of_train_step(backend: Module, device: str) -> None:
    """``train_step`` and ``mlp`` without masks draw new ones at each site in each call."""

    def draw(rates: tuple[float, float], seed: int) -> list[Masks]:
        backend.manual_seed(seed)
        return step_masks(backend, rates, device)

    def draw_mlp(rates: tuple[float, float], seed: int) -> list[Masks]:
        backend.manual_seed(seed)
        return mlp_masks(backend, rates, device)

    check_masks("fresh masks, train_step", draw)
    check_masks("fresh masks, mlp", draw_mlp)


@pytest.mark.place("concise")
def test_concise_dropout(backend: Module, facts: Framework, device: str) -> None:
    """The framework's own dropout layers: their rates, their scale and their steps."""
    need_concise(backend, facts)
    largest = facts.concise_limits.get("dropout", (1.0, ""))[0]
    if max(RATES) > largest:
        skip_undeclared(f"dropout above {largest} in the concise version")

    def draw(rates: tuple[float, float], seed: int) -> list[Masks]:
        backend.manual_seed(seed)
        return concise_masks(backend, rates, device)

    check_masks("concise, concise_step", draw)


def need_noise(backend: Module, facts: Framework, noise: str) -> None:
    """Skip unless the facts declare that the concise version has this noise."""
    need_concise(backend, facts)
    if noise not in facts.concise_noises:
        skip_undeclared(f"noise {noise!r} in the concise version")


@pytest.mark.place("concise")
@pytest.mark.parametrize("noise", ["gaussian", "additive"])
def test_concise_normal_noise(backend: Module, facts: Framework, device: str, noise: str) -> None:
    """The framework's own layer has noise of variance p / (1 - p), new in each step."""
    need_noise(backend, facts, noise)
    p, place = 0.3, f"concise, concise_step with noise {noise}"
    backend.manual_seed(1)
    one, other = (concise_noise(backend, noise, p, 2, device) - 1) / np.sqrt(p / (1 - p))
    for q in (0.1, 0.3, 0.5, 0.7, 0.9):
        below = int((one < NormalDist().inv_cdf(q)).sum())
        check_rate(place, f"numbers below the normal quantile {q}", below, one.size, q)
    check_agreement(f"{place}, the signs of two steps", one < 0, other < 0, 0.5, 0.5)


@pytest.mark.place("concise")
def test_concise_unit_noise(backend: Module, facts: Framework, device: str) -> None:
    """The framework's own layer drops a unit for the whole batch, with probability p."""
    need_noise(backend, facts, "unit")
    p, place = 0.3, "concise, concise_step with noise unit"
    backend.manual_seed(1)
    units = concise_noise(backend, "unit", p, 60, device)
    kept_units = units > 0.5  # the steps, though tiny, change the biases
    if (odd := units[np.abs(units - kept_units / (1 - p)) > 1e-6]).size:
        fail(place, f"expected units of 0 or {1 / (1 - p)}, got {odd[0]}")
    if (kept_units != kept_units[:, :1]).any():
        fail(place, "expected the same units dropped for all images, got others for some")
    dropped = int((~kept_units[:, 0]).sum())
    check_rate(place, "dropped units", dropped, kept_units[:, 0].size, p)


@pytest.mark.place("seeding")
@pytest.mark.parametrize("implementation", ["scratch", "concise"])
def test_native_training(
    backend: Module, name: str, facts: Framework, device: str, implementation: str
) -> None:
    """A training with the framework's own masks repeats, and depends on its seed."""
    if implementation == "concise":
        need_concise(backend, facts)
    recipe = replace(PLAIN, rng="native", weight_decay=0, max_norm=None)
    place = f"seeding, a training from {implementation} with native masks"
    one, again, other = (
        trained(name, replace(recipe, seed=seed), device, implementation, FEW_STEPS)["loss"]
        for seed in (0, 0, 1)
    )
    if not np.array_equal(one, again):
        step = int(np.argmax(one != again))
        fail(
            place,
            f"expected the same losses with the same seed, got {one[step]} and {again[step]} "
            f"in step {step + 1}",
        )
    still = replace(recipe, noise="none")
    quiet = trained(name, still, device, implementation, FEW_STEPS)["loss"]
    for losses, what in ((other, "another seed"), (quiet, "no noise")):
        if np.isclose(one, losses, rtol=1e-9).any():
            step = int(np.argmax(np.isclose(one, losses, rtol=1e-9)))
            fail(
                place,
                f"expected other losses than with {what} in all {FEW_STEPS} steps, "
                f"got {one[step]} both times in step {step + 1}",
            )


@pytest.mark.place("threads")
def test_threads(backend: Module, device: str) -> None:
    """Threads that call the layer at the same time get masks of their own."""
    backend.manual_seed(1)
    start = Barrier(4)

    def draw(_: int) -> list[Kept]:
        start.wait(60)
        return [kept(backend, 0.5, (5000,), device) for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        masks = [mask for drawn in pool.map(draw, range(4)) for mask in drawn]
    for number, mask in enumerate(masks):
        for earlier in range(number):
            place = f"threads, masks {earlier + 1} and {number + 1} of 12 from 4 threads"
            check_agreement(place, masks[earlier], mask, 0.5, 0.5)


@pytest.mark.place("float32")
def test_float32(backend: Module, name: str, facts: Framework, device: str) -> None:
    """The first steps in float32 are close to those in float64.

    The yardstick is the textbook's training after nudges of one rounding error of float32.
    """
    if "float32" not in facts.dtypes:
        skip_undeclared("float32 (Framework.dtypes)")
    recipe = replace(PLAIN, weight_decay=0.03)
    found = trained(name, replace(recipe, dtype="float32"), device, num_steps=FLOAT32_STEPS)
    weights = short_weights(recipe)
    right = by_the_book(recipe, weights, FLOAT32_STEPS)
    moved = []
    for nudge in range(3):
        nudges = nudged(weights, recipe.seed, nudge)
        coarse = {key: w + 2.0**29 * (nudges[key] - w) for key, w in weights.items()}
        moved.append(by_the_book(recipe, coarse, FLOAT32_STEPS))
    for key in right:
        place = f"float32, {key.replace('/', ' at step ')} of a training"
        values = found.get(key)
        if values is None:
            fail(place, "expected a number, got none: the training has diverged")
        if key != "loss" and values.dtype != np.float32:
            fail(place, f"expected the dtype float32, got {values.dtype}")
        scale = max(1.0, float(np.max(np.abs(right[key]))))
        yardstick = max(float(np.max(np.abs(one[key] - right[key]))) for one in moved)
        limit = 10 * (yardstick + 2.0**-22 * scale)
        off = np.max(np.abs(values.astype(np.float64) - right[key]))
        if not off <= limit:
            fail(place, f"expected at most {limit:.2g} off the float64 training, got {off:.2g}")


def test_values_are_arrays(backend: Module, device: str) -> None:
    """Fresh masks keep the dtype and the shape of X."""
    for dtype in ("float32", "float64"):
        X = backend.from_numpy(np.ones((3, 5), dtype), device)
        place = f"fresh masks, form [{dtype}]"
        found = values_of(backend, backend.dropout_layer(X, 0.5), place)
        if found.dtype != dtype or found.shape != (3, 5):
            fail(place, f"expected {dtype} of shape (3, 5), got {found.dtype} of {found.shape}")
