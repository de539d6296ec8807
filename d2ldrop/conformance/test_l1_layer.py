"""L1: values and gradients of ``dropout_layer`` with masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from d2ldrop.backend import get_tracer
from d2ldrop.conformance.arrays import declared_dtype, make, read, shared_layer
from d2ldrop.conformance.compare_steps import check_gradients, check_part, size
from d2ldrop.conformance.judge import (
    Hints,
    Values,
    WrongError,
    check_close,
    check_equal,
    check_raises,
    fail,
    skip_undeclared,
    ulps,
)
from d2ldrop.conformance.problems import Module, make_step, taken
from d2ldrop.conformance.reference import take
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.core.noise import LayerNoise
from d2ldrop.core.randomness import normal_noise
from d2ldrop.core.threads import LARGE
from d2ldrop.frameworks import FLOATS, Framework
from d2ldrop.layer import FUSED

RATES = (0.1, 0.3, 0.7)
"""Probabilities p that float32 cannot hold; 1 - p differs from p."""
ULPS = 4
"""The largest error of one multiplication and one division, in units in the last place."""
SPACING = {"bfloat16": 2.0**16}
"""The distance of neighbouring numbers, in those of the dtype that ``read`` returns."""


def layer_faults(X: Values, mask: Values, p: float) -> Hints:
    """Known mistakes of ``mask * X / (1 - p)``, in the precision of X."""
    wide, single = X.astype(np.float64), np.float32
    faults: dict[str, Callable[[], Values]] = {
        "an inverted mask": lambda: ~mask * wide / (1 - p),
        "no scale": lambda: mask * wide,
        "a scale of p instead of 1 - p": lambda: mask * wide / p,
        "a mask that is multiplied by p": lambda: mask * wide * p,
        "a scale that multiplies by 1 - p": lambda: mask * wide * (1 - p),
        "a scale that is applied twice": lambda: mask * wide / (1 - p) ** 2,
        "no mask": lambda: wide / (1 - p),
        "no dropout": lambda: wide,
        "a scale computed in float32": lambda: mask * wide / float(single(1 - p)),
        "a scale rounded to float32": lambda: mask * wide * float(single(1 / (1 - p))),
        "arithmetic in float32": lambda: mask * X.astype(single) / single(1 - p),
        "arithmetic in float16": lambda: mask * X.astype(np.float16) / np.float16(1 - p),
    }
    return {
        cause: lambda fault=fault: fault().astype(X.dtype)  # type: ignore[misc]  # mypy: default
        for cause, fault in faults.items()
    }


def check_layer(place: str, found: Values, X: Values, mask: Values, p: float, dtype: str) -> None:
    """Compare the layer's values with the definition."""
    expected = (mask * X.astype(np.float64) / (1 - p)).astype(X.dtype)
    allowed = ulps(expected, ULPS) * SPACING.get(dtype, 1)
    check_close(place, found, expected, allowed, layer_faults(X, mask, p))


@pytest.mark.place("layer forward")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("p", RATES)
def test_given_mask(backend: Module, name: str, facts: Framework, p: float, dtype: str) -> None:
    """Each kept element is divided by 1 - p, and the others are 0."""
    place = f"layer forward, given mask [p={p}, {declared_dtype(facts, dtype)}]"
    X = make(backend, name, normal_noise((40, 30), seed=0), dtype)
    mask = dropout_mask((40, 30), p, seed=1)
    values = read(backend, X, place)
    Y = backend.dropout_layer(X, p, mask=backend.from_numpy(mask.copy()))
    check_layer(place, read(backend, Y, place, dtype), values, mask, p, dtype)


@pytest.mark.place("layer forward")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("p", RATES)
def test_fresh_mask(backend: Module, name: str, facts: Framework, p: float, dtype: str) -> None:
    """With a fresh mask, too, each kept element is divided by 1 - p."""
    place = f"layer forward, fresh mask [p={p}, {declared_dtype(facts, dtype)}]"
    X = make(backend, name, normal_noise((40, 30), seed=0), dtype)
    values = read(backend, X, place)
    backend.manual_seed(0)
    found = read(backend, backend.dropout_layer(X, p), place, dtype)
    check_layer(place, found, values, found != 0, p, dtype)
    if not 0 < np.count_nonzero(found) < found.size:
        kept = np.count_nonzero(found)
        fail(place, f"expected that it drops about {p:.0%} of {found.size}, but it kept {kept}")


@pytest.mark.place("layer forward")
@pytest.mark.parametrize("size_", [8, FUSED, LARGE], ids=["small", "fused", "large"])
def test_sizes(backend: Module, name: str, size_: int) -> None:
    """d2ldrop scales large masks in another way, and with threads; the values stay the same."""
    place = f"layer forward, NumPy mask [p=0.3, float64, {size_} elements]"
    X = 1 + np.arange(float(size_)).reshape(8, -1) % 1013 / 1013
    mask = dropout_mask(X.shape, 0.3, seed=2)
    for select in ({"mask": mask.copy()}, {"seed": 2}):
        Y = shared_layer(name, backend.from_numpy(X.copy()), 0.3, **select)
        check_layer(place, read(backend, Y, place, "float64"), X, mask, 0.3, "float64")


@pytest.mark.place("layer forward")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_scale_is_rounded_once(backend: Module, name: str, facts: Framework, dtype: str) -> None:
    """In half precision, kept ones become the number next to 1 / (1 - p)."""
    declared_dtype(facts, dtype)
    X = make(backend, name, np.ones(512), dtype)
    mask = np.ones(512, bool)
    for p in (*(percent / 100 for percent in range(1, 100, 3)), 0.001, 0.999, 1 / 3, 0.9999):
        place = f"layer forward, ones [p={p:.4g}, {dtype}]"
        scale = np.full(512, 1 / (1 - p))
        nearest = read(backend, make(backend, name, scale, dtype), place)[0]
        for select in ({}, {"seed": 1}, {"mask": mask}):
            found = read(backend, shared_layer(name, X, p, **select), place, dtype)
            kept = found[found != 0]
            check_equal(place, kept, np.full_like(kept, nearest))


@pytest.mark.place("layer gradient")
@pytest.mark.parametrize("p", RATES)
def test_backward(backend: Module, name: str, p: float) -> None:
    """``dropout_backward`` is the layer itself: the gradient has the same mask and scale."""
    place = f"layer gradient, dropout_backward [p={p}, float64]"
    dY, mask = normal_noise((40, 30), seed=5), dropout_mask((40, 30), p, seed=6)
    dX = shared_layer(name, backend.from_numpy(dY.copy()), p, mask=mask)
    check_layer(place, read(backend, dX, place, "float64"), dY, mask, p, "float64")


@pytest.mark.place("layer gradient")
@pytest.mark.parametrize("rates", [(0.3, 0.6), (0.1, 0.7), (1, 0.3), (0.3, 1)], ids=str)
def test_gradient(backend: Module, device: str, rates: tuple[float, float]) -> None:
    """Gradients pass the layer with the mask and scale of the forward pass, and p = 1 stops them.

    They are seen through ``train_step``. Faults that a step without noise has too, and those of the
    forward pass, are left to L2.
    """
    place = f"layer gradient, given masks [rates {rates}]"
    quiet = make_step(31, (16, 16), lr=0.5)
    first, second = (
        LayerNoise(p, dropout_mask((31, 16), p, seed=3, site=site) if p < 1 else None)
        for site, p in enumerate(rates)
    )
    noisy = replace(quiet, noise=(first, second))
    try:
        check_gradients(place, quiet, taken(backend, quiet, device, place)[0])
        found, _ = taken(backend, noisy, device, place)
        logits = take(noisy).logits
        check_part(place, noisy, found.logits, lambda result: result.logits, size(logits))
    except WrongError:
        return
    check_gradients(place, noisy, found)


@pytest.mark.place("traced layer")
@pytest.mark.parametrize("p", RATES)
def test_traced_layer(backend: Module, name: str, p: float) -> None:
    """``traced_layer`` computes the same. An array with values is the simplest case."""
    tracer = get_tracer(name)
    if tracer is None:
        skip_undeclared("traced layer (no traced_layer in the group d2ldrop.compiled)")
    place = f"traced layer, given mask [p={p}, float64]"
    X, mask = normal_noise((40, 30), seed=0), dropout_mask((40, 30), p, seed=1)
    x, wrong = backend.from_numpy(X.copy()), backend.from_numpy(mask[:1].copy())
    if tracer.is_traced(x) is not False:
        fail("traced layer, is_traced", "expected False for an array that has values")
    Y = tracer.traced_layer(x, p, backend.from_numpy(mask.copy()), None, None, None)
    check_layer(place, read(backend, Y, place, "float64"), X, mask, p, "float64")
    place = f"traced layer, shared mask [p={p}, float64]"
    Y = tracer.traced_layer(x, p, None, 1, 7, 1)
    mask = dropout_mask((40, 30), p, seed=1, step=7, site=1)
    check_layer(place, read(backend, Y, place, "float64"), X, mask, p, "float64")
    message = "mask must have the shape of X, (40, 30), got (1, 30)"
    arguments = (x, p, wrong, None, None, None)
    check_raises(
        "traced layer, mask of another shape",
        lambda: tracer.traced_layer(*arguments),
        ValueError,
        message,
    )
