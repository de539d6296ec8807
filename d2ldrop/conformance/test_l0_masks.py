"""L0: the contract (functions, arrays, parameters), and masks bit for bit."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from d2ldrop.backend import get_compiled
from d2ldrop.conformance.arrays import MEMORY, read, shared_layer
from d2ldrop.conformance.judge import check_equal, fail, skip_undeclared, values_of
from d2ldrop.conformance.problems import six, unpacked
from d2ldrop.conformance.protocol import (
    compiled_signatures,
    missing_functions,
    signatures,
    wrong_signatures,
)
from d2ldrop.contract import CONCISE
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.core.noise import NO_NOISE
from d2ldrop.core.randomness import normal_noise
from d2ldrop.entry_points import modules_of
from d2ldrop.frameworks import FLOATS, GROUP, Framework


@pytest.mark.essential
def test_functions(backend: Any, facts: Framework) -> None:
    """The module has the functions of the protocol; the concise ones are optional together."""
    if missing := missing_functions(backend, concise=facts.concise):
        some = any(hasattr(backend, one) for one in CONCISE)
        hint = "; the concise functions are optional together" if some else ""
        fail("contract, functions", f"missing: {'; '.join(missing)}{hint}")


@pytest.mark.essential
def test_signatures(backend: Any) -> None:
    """Each function can be called as the protocol says, by position and by name."""
    if faults := wrong_signatures(backend, signatures()):
        fail("contract, signatures", "; ".join(faults))


def test_compiled_functions(name: str) -> None:
    """A module in the group d2ldrop.compiled has functions of its protocols."""
    try:
        module = get_compiled(name)
    except Exception as error:  # noqa: BLE001 - whatever the module raises is its own fault
        fail("contract, compiled functions", f"{type(error).__name__}: {error}")
    if module is None:
        skip_undeclared("compiled functions (no module in the group d2ldrop.compiled)")
    if faults := wrong_signatures(module, compiled_signatures()):
        fail("contract, compiled functions", "; ".join(faults))
    tracer = [one for one in ("is_traced", "traced_layer") if hasattr(module, one)]
    if len(tracer) == 1:
        fail("contract, compiled functions", f"is_traced needs traced_layer, got only {tracer[0]}")
    if not tracer and not hasattr(module, "train_steps"):
        fail("contract, compiled functions", "expected train_steps or traced_layer, got neither")


def test_facts(name: str, facts: Framework) -> None:
    """The module in the group d2ldrop.frameworks has facts of the right types."""
    entry = modules_of(GROUP).get(name)
    if entry is not None:
        try:
            found = entry.load().FRAMEWORK
        except Exception as error:  # noqa: BLE001 - whatever the module raises is its own fault
            found = f"{type(error).__name__}: {error}"
        if not isinstance(found, Framework):
            fail(
                "contract, facts",
                f"{entry.value} must have a constant FRAMEWORK of the type d2ldrop.Framework, "
                f"got {found!r}",
            )
    for field, known in (("dtypes", FLOATS), ("concise_noises", ("gaussian", "additive", "unit"))):
        declared = getattr(facts, field)
        if not isinstance(declared, tuple) or not set(declared) <= set(known):
            fail(
                "contract, facts",
                f"{field} must be a tuple with some of {', '.join(known)}, got {declared!r}",
            )


def test_devices(backend: Any) -> None:
    """The first device is the CPU."""
    devices = backend.devices()
    if not (isinstance(devices, list) and devices[:1] == ["cpu"]):
        fail("contract, devices", f"expected a list that begins with 'cpu', got {devices!r}")


@pytest.mark.parametrize("kind", MEMORY)
def test_memory(backend: Any, kind: str) -> None:
    """Arrays of every memory layout make the round trip, and may be computed with."""
    place = f"contract, from_numpy and to_numpy [{kind}]"
    array = MEMORY[kind]()
    expected = array.copy()
    x = backend.from_numpy(array)
    check_equal(place, values_of(backend, x, place), expected)
    # A framework may demand a switch for arithmetic with the shapes () and (0, 3).
    if array.dtype != bool and array.ndim and array.size:
        check_equal(f"{place} x + x", values_of(backend, x + x, place), expected + expected)


def test_is_array(backend: Any) -> None:
    """Lists, numbers and texts are not arrays."""
    for value in ([1.0], 1.0, "X", None, object()):
        if (found := backend.is_array(value)) is not False:
            fail("contract, is_array", f"expected False for {value!r}, got {found!r}")


def test_init_params(backend: Any) -> None:
    """The parameters are copies: neither a training step nor the caller changes the other's."""
    shapes = [(784, 12), (12,), (12, 9), (9,), (9, 10), (10,)]
    arrays = [normal_noise(shape, seed=0, site=i) for i, shape in enumerate(shapes)]
    before = [array.copy() for array in arrays]
    place = "contract, init_params"
    params = backend.init_params(arrays)
    for param, expected in zip(six(params, place), before, strict=True):
        check_equal(place, values_of(backend, param, place), expected)
    X = backend.from_numpy(normal_noise((8, 784), seed=1))
    y = backend.from_numpy(np.arange(8, dtype=np.int64))
    answer = backend.train_step(backend.init_params(arrays), X, y, 0.1, NO_NOISE, 0)
    trained, _, _ = unpacked(answer, "contract, train_step")
    for param in trained:  # an asynchronous framework finishes the update when it is read
        backend.to_numpy(param)
    for array, expected in zip(arrays, before, strict=True):
        if not np.array_equal(array, expected):
            fail(place, "a training step changed the caller's arrays: copy them")
    for array in arrays:
        array += 1
    for param, expected in zip(params, before, strict=True):
        shared = {"memory shared with the caller": expected + 1}
        changed = f"{place}, after the caller changed the arrays"
        check_equal(changed, values_of(backend, param, place), expected, shared)


GOLDEN = [
    (0, 0, 0, 0.2, "3496c7c50995290604689789d9134dd29c9582c6e48a078256143a4a635d3c7b"),
    (0, 2349, 1, 0.5, "48852167de9903e51960deff6ffff199af0e20d1cc15d8cdbb13290e223b2cc8"),
    (42, 7, 1, 0.3, "8b472cb4849f1f0a345c5bf0afe1cc3f1c76ebd8431a7ce922a3c8f6ce61db5f"),
    (2**64 - 1, 2349, 1, 0.9, "dfed8b8f7fc75890b7382fff1b4b37a4aefd94a65f6b796952de5b08e1561678"),
]
"""Seed, step, site and p, and the digest of the packed mask of shape (256, 256)."""


def digest(mask: Any) -> str:
    """SHA-256 of a packed mask."""
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()


@pytest.mark.place("seeding")
@pytest.mark.parametrize(
    ("seed", "step", "site", "p", "expected"), GOLDEN, ids=[f"seed-{one[0]}" for one in GOLDEN]
)
def test_shared_masks(
    backend: Any, name: str, seed: int, step: int, site: int, p: float, expected: str
) -> None:
    """With a seed the layer drops what the shared stream says, bit for bit."""
    place = f"seeding, shared mask [seed={seed}, step={step}, site={site}, p={p}]"
    ones = backend.from_numpy(np.ones((256, 256), np.float32))
    Y = read(backend, shared_layer(name, ones, p, seed=seed, step=step, site=site), place)
    mask = dropout_mask((256, 256), p, seed=seed, step=step, site=site)
    check_equal(place, Y != 0, mask, {"an inverted mask": ~mask})
    if digest(Y != 0) != expected:
        fail(place, f"expected the digest {expected}, got {digest(Y != 0)}")


@pytest.mark.place("seeding")
def test_shared_masks_in_threads(backend: Any, name: str) -> None:
    """Threads that use the layer at the same time get the masks of their own seeds."""
    ones = backend.from_numpy(np.ones((64, 64), np.float32))

    def drawn(seed: int) -> Any:
        place = f"seeding, shared mask in a thread [seed={seed}]"
        return place, read(backend, shared_layer(name, ones, 0.3, seed=seed), place) != 0

    with ThreadPoolExecutor(4) as threads:
        for seed, (place, found) in enumerate(threads.map(drawn, range(40))):
            check_equal(place, found, dropout_mask((64, 64), 0.3, seed=seed))


@pytest.mark.place("layer forward")
@pytest.mark.parametrize("p", [0.1, 0.3, 0.7])
def test_given_masks(backend: Any, p: float) -> None:
    """A boolean mask says which elements are kept, element by element."""
    place = f"layer forward, given mask [p={p}, float32]"
    mask = dropout_mask((64, 64), p, seed=3)
    ones = backend.from_numpy(np.ones(mask.shape, np.float32))
    Y = backend.dropout_layer(ones, p, mask=backend.from_numpy(mask.copy()))
    found = values_of(backend, Y, place) != 0
    check_equal(
        place,
        found,
        mask,
        {
            "an inverted mask": ~mask,
            "no mask": np.ones_like(mask),
            "one row": mask[:1] & (mask | 1),
        },
    )
