"""L3: whole trainings in float64, step by step in lockstep with the textbook's.

A training is in lockstep if every number differs from the textbook's by at most ten times its
yardstick: the largest difference of the textbook's own training after a nudge of the initial
weights by one rounding error. Three seeds are tried, and two must be out of lockstep for a failure:
with one seed, rounding may by chance grow more than in all three nudged trainings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from d2ldrop.conformance import reference
from d2ldrop.conformance.compare_steps import described, size
from d2ldrop.conformance.judge import check_close, check_equal, fail, skip_undeclared, values_of
from d2ldrop.conformance.problems import (
    BOUND,
    WIDTHS,
    Module,
    make_step,
    pair,
    read_loss,
    send,
    six,
)
from d2ldrop.conformance.reference import NAMES, Result, Step, Values, hints, right
from d2ldrop.conformance.trainings import CONCISE, SEEDS, TRAININGS, Training, expected, trained
from d2ldrop.frameworks import Framework

CONCISE_BOUND = 1e-12
"""The largest relative error of one step of the framework's own layers, in float64."""


@pytest.mark.place("lockstep")
@pytest.mark.parametrize("what", TRAININGS)
def test_training(backend: Module, name: str, device: str, what: str) -> None:
    """Weights, losses, logits and predictions of a training from scratch."""
    check_lockstep(f"lockstep, a training with {what}", TRAININGS[what], name, device)


def check_lockstep(place: str, training: Training, name: str, device: str) -> None:
    """Fail if two of three seeds are out of lockstep. Two that agree need no third."""
    sentences: list[str] = []
    tried = 0
    for seed in SEEDS:
        if abs(tried - 2 * len(sentences)) == 2:
            break
        recipe, tried = training.of_seed(seed), tried + 1
        found = trained(name, recipe, device, training.implementation, training.steps)
        difference = expected(recipe, training.steps).first_difference(found)
        if difference is not None:
            sentences.append(f"seed {seed} {difference.sentence}")
    if len(sentences) >= 2:
        fail(
            place,
            f"expected the textbook's training with at least two of the seeds {SEEDS}, "
            f"got another one: {'; '.join(sentences)}",
        )


def need_concise(backend: Module, facts: Framework) -> None:
    """Skip the check if the backend has no concise version."""
    if not facts.concise and not hasattr(backend, "concise_mlp"):
        skip_undeclared("the concise version (Framework.concise)")


@pytest.mark.place("concise")
@pytest.mark.parametrize("widths", WIDTHS, ids=["square", "not square"])
def test_concise_step(
    backend: Module, facts: Framework, device: str, widths: tuple[int, int]
) -> None:
    """The weights that the concise version is given, its evaluation, and its steps; no dropout."""
    need_concise(backend, facts)
    step = make_step(31, widths)
    given = [np.array(param) for param in step.params]
    answer = backend.concise_mlp(given, (0.0, 0.0), step.lr, "dropout", device)
    net, trainer = pair(answer, "concise, concise_mlp", "(net, trainer)")
    read_concise(backend, net, step, "concise, the weights at the start", lambda one: step.params)
    X, y = send(backend, step.X, device), send(backend, step.y, device)
    for number in (1, 2):
        check_concise(backend, net, trainer, step, (X, y), f"step {number} {described(step)}")
        step = replace(step, params=right(step).params)
    for name, array, start in zip(NAMES, given, make_step(31, widths).params, strict=True):
        check_equal(f"concise, the caller's {name} after steps", array, start)
    if "float32" in facts.dtypes:
        check_concise_float32(backend, make_step(31, widths, "float32"), device)


def check_concise_float32(backend: Module, step: Step, device: str) -> None:
    """Evaluate and take one step in float32, which is what trainings use."""
    place, good = f"concise, float32 {described(step)}", right(step)
    given = [np.array(param) for param in step.params]
    net, trainer = backend.concise_mlp(given, (0.0, 0.0), step.lr, "dropout", device)
    X, y = send(backend, step.X, device), send(backend, step.y, device)
    predicted = backend.concise_predict(net, X)
    _, logits = backend.concise_step(net, trainer, X, y)
    for array, what in ((predicted, "concise_predict"), (logits, "logits of concise_step")):
        found, bound = values_of(backend, array, place), BOUND["float32"] * size(good.logits)
        check_close(f"{place}, {what}", found, good.logits.astype("float32"), bound)
    for name, array, expected_one in zip(
        NAMES, six(backend.concise_params(net), place), good.params, strict=True
    ):
        bound = BOUND["float32"] * size(expected_one)
        check_close(f"{place}, {name}", np.array(array), expected_one.astype("float32"), bound)


def check_concise(
    backend: Module, net: Any, trainer: Any, step: Step, batch: tuple[Any, Any], which: str
) -> None:
    """Evaluate and take one step; ``step`` has the parameters that ``net`` should have."""
    good = right(step)
    place = f"concise, concise_predict before {which}"
    predicted = values_of(backend, backend.concise_predict(net, batch[0]), place)
    bound = CONCISE_BOUND * size(good.logits)
    logits_hints = hints(step, lambda one: one.logits)
    check_close(place, predicted, good.logits, bound, logits_hints)
    place = f"concise, concise_step, {which}"
    answer = backend.concise_step(net, trainer, *batch)
    loss, logits = pair(answer, place, "(loss, logits)")
    found = values_of(backend, logits, f"{place}, logits")
    check_close(f"{place}, logits", found, good.logits, bound, logits_hints)
    loss = read_loss(backend, loss, f"{place}, loss")
    causes = hints(step, lambda one: one.loss)
    check_close(f"{place}, loss", loss, good.loss, CONCISE_BOUND * size(good.loss), causes)
    read_concise(backend, net, step, f"{place}, weights after the update", lambda one: one.params)


def read_concise(
    backend: Module,
    net: Any,
    step: Step,
    place: str,
    pick: Callable[[Result], tuple[Values, ...]],
) -> None:
    """Compare the parameters of the concise version."""
    arrays = six(backend.concise_params(net), place)
    expected_params = pick(right(step))
    for index in reversed(range(6)):
        good = expected_params[index]
        causes: dict[str, Any] = dict(
            hints(step, lambda one, index=index: pick(one)[index])  # type: ignore[misc]  # mypy
        )
        causes["a matrix transposed"] = good.T
        causes["the initial value"] = step.params[index]
        if not isinstance(arrays[index], np.ndarray):
            kind = type(arrays[index]).__name__
            fail(f"{place}, {NAMES[index]}", f"expected an array of NumPy, got {kind}")
        found = np.array(arrays[index])
        bound = CONCISE_BOUND * size(good)
        check_close(f"{place}, {NAMES[index]}", found, good, bound, causes)


@pytest.mark.place("concise")
@pytest.mark.parametrize("what", CONCISE)
def test_concise_training(
    backend: Module, name: str, facts: Framework, device: str, what: str
) -> None:
    """The concise version without dropout, over several epochs."""
    need_concise(backend, facts)
    check_lockstep(f"concise, a training with {what}", CONCISE[what], name, device)


@pytest.mark.place("concise")
def test_concise_evaluation(backend: Module, facts: Framework, device: str) -> None:
    """``concise_predict`` has no dropout, also between steps that have it."""
    need_concise(backend, facts)
    step = make_step(31, WIDTHS[0])
    params = [np.array(param) for param in step.params]
    net, trainer = backend.concise_mlp(params, (0.3, 0.6), 1e-30, "dropout", device)
    X, y = send(backend, step.X, device), send(backend, step.y, device)
    expected_logits = reference.logits_of(step.params, step.X)
    for when in ("before", "after"):
        place = f"evaluation, concise_predict {when} a step with dropout (0.3, 0.6)"
        found = values_of(backend, backend.concise_predict(net, X), place)
        bound = CONCISE_BOUND * size(expected_logits)
        check_close(place, found, expected_logits, bound)
        backend.concise_step(net, trainer, X, y)
