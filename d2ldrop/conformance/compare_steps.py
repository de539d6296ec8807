"""Compares one training step, or several, with what is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from d2ldrop.conformance import reference
from d2ldrop.conformance.judge import check_close, values_of
from d2ldrop.conformance.problems import (
    BOUND,
    Module,
    read_loss,
    read_params,
    send,
    send_noise,
    send_params,
    taken,
    unpacked,
)
from d2ldrop.conformance.reference import NAMES, Result, Step, Values, hints, right, take

MAX_NORM = 0.2
"""The limit with which ``clip_norms`` is tried."""
LR_BOUND = 1e-12
"""The largest relative error of the learning rate that an update shows."""
COMPILED_BOUND = 1e-12
"""The largest error of several steps in one call, relative to the largest number."""
Taken: TypeAlias = dict[str, Values]
"""Logits, losses and the last parameters of several steps."""


def size(*arrays: Values) -> float:
    """The largest number of the arrays, at least 1: errors are relative to it."""
    return max(1.0, *(float(np.max(np.abs(array), initial=0.0)) for array in arrays))


def check_part(
    place: str,
    step: Step,
    found: Values,
    pick: Callable[[Result], Values],
    scale: float,
) -> None:
    """Compare one quantity of a step with what is right; ``scale`` is that of its numbers."""
    dtype = str(step.X.dtype)
    expected = pick(right(step)).astype(dtype)
    check_close(place, found, expected, BOUND[dtype] * scale, hints(step, pick))


def check_loss(place: str, backend: Module, logits: Values, y: Values, device: str) -> None:
    """Compare ``cross_entropy``."""
    loss = backend.cross_entropy(send(backend, logits, device), send(backend, y, device))
    n, expected = len(y), reference.cross_entropy(logits, y)
    causes = {
        "a sum over the batch": n * expected,
        "a sum divided by 32": n / 32 * expected,
        "a sum divided by 256": n / 256 * expected,
        "a mean over the 10 classes": n / 10 * expected,
        "a mean over classes and images": expected / 10,
        "a label that is one too large": reference.cross_entropy(logits, (y + 1) % 10),
        "a label that is one too small": reference.cross_entropy(logits, (y - 1) % 10),
    }
    found, dtype = read_loss(backend, loss, place), str(logits.dtype)
    # A loss is the difference of two numbers as large as the logits.
    bound = BOUND[dtype] * size(expected, logits)
    check_close(place, found, expected.astype(dtype), bound, causes)


def check_gradients(place: str, step: Step, found: Result) -> None:
    """Compare a step with lr 1, first what its forward pass gives, then its gradients.

    The message names the first wrong gradient, in the order of the backward pass.
    """
    what = place.partition(", ")[2] or "no noise"
    check_forward(f"step, train_step with {what} {described(step)}", step, found)
    scale = size(*step.params, *right(step).gradients, right(step).logits)
    for index in reversed(range(6)):
        check_part(
            f"{place}, d{NAMES[index]} {described(step)}",
            step,
            found.gradients[index].astype(step.X.dtype),
            lambda result, index=index: result.gradients[index],  # type: ignore[misc]  # mypy
            scale,
        )


def check_forward(place: str, step: Step, found: Result) -> None:
    """Compare loss and logits, which are those before the update."""
    logits, loss = size(right(step).logits), size(right(step).loss)
    check_part(f"{place}, logits", step, found.logits, lambda one: one.logits, logits)
    check_part(f"{place}, loss", step, found.loss, lambda one: one.loss, loss)


def described(step: Step) -> str:
    """The step in brackets, for a message."""
    widths = f"{len(step.params[1])}-{len(step.params[3])}"
    return f"[n={len(step.X)}, widths {widths}, {step.X.dtype}]"


def check_step(place: str, backend: Module, step: Step, device: str) -> None:
    """Take one step, and compare all that it gives."""
    found, _ = taken(backend, step, device, place)
    check_result(place, step, found)
    if step.X.dtype == np.float64 and not step.weight_decay and step.max_norm is None:
        moved = np.concatenate([step.lr * gradient.ravel() for gradient in found.gradients])
        gradient = np.concatenate([gradient.ravel() for gradient in right(step).gradients])
        lr = np.array(moved @ gradient / (gradient @ gradient))
        causes = {"a learning rate in float32": np.array(reference.single(step.lr))}
        limit = LR_BOUND * step.lr
        check_close(f"{place}, lr of the update", lr, np.array(step.lr), limit, causes)


def check_result(place: str, step: Step, found: Result) -> None:
    """Compare logits, loss and parameters of a step."""
    check_forward(place, step, found)
    scale = size(*step.params, right(step).logits)
    for index in reversed(range(6)):
        check_part(
            f"{place}, {NAMES[index]} after the update",
            step,
            found.params[index],
            lambda result, index=index: result.params[index],  # type: ignore[misc]  # mypy
            scale,
        )


def max_norm_faults(params: tuple[Values, ...]) -> dict[str, tuple[Values, ...]]:
    """What known mistakes make of ``clip_norms``."""

    def limited(norm: Callable[[Values], Values]) -> tuple[Values, ...]:
        return tuple(W / np.maximum(norm(W) / MAX_NORM, 1) if W.ndim == 2 else W for W in params)

    return {
        "the norm of the rows": reference.clipped(params, MAX_NORM, axis=1),
        "the norm of the whole W": limited(lambda W: np.sqrt((W**2).sum())),
        "the sum of the absolute values": limited(lambda W: np.abs(W).sum(axis=0)),
        "the squared norm": limited(lambda W: (W**2).sum(axis=0)),
        "a limit in float32": reference.clipped(params, reference.single(MAX_NORM)),
        "no limit": params,
    }


def check_compiled(
    place: str,
    backend: Module,
    train_steps: Any,
    steps: list[Step],
    earlier: list[Step],
    device: str,
) -> None:
    """One call of ``train_steps`` against its steps one by one; ``earlier``: the call before."""
    first = steps[0]
    both = (
        sites[0]
        if sites[0].mask is None
        else sites[0]._replace(mask=np.stack([site.mask for site in sites]))
        for sites in zip(*(one.noise for one in steps), strict=True)
    )
    answer = train_steps(
        send_params(backend, first.params, device),
        send(backend, np.stack([one.X for one in steps]), device),
        send(backend, np.stack([one.y for one in steps]), device),
        first.lr,
        send_noise(backend, (next(both), next(both)), device),
        first.weight_decay,
        first.max_norm,
    )
    params, losses, logits = unpacked(answer, place, "(params, losses, logits)")
    found = {
        "logits": values_of(backend, logits, place),
        "losses": values_of(backend, losses, place),
    }
    for name, array in zip(NAMES, read_params(backend, params, first, place), strict=True):
        found[f"{name} at the end"] = array
    expected, faults = one_by_one(steps), compiled_faults(steps, earlier)
    for what, array in found.items():
        causes = {cause: partial(part, fault, what) for cause, fault in faults.items()}
        bound = COMPILED_BOUND * size(expected[what])
        check_close(f"{place}, {what}", array, expected[what], bound, causes)


def part(take_steps: Callable[[], Taken], what: str) -> Values:
    """One quantity of several steps."""
    return take_steps()[what]


def compiled_faults(steps: list[Step], earlier: list[Step]) -> dict[str, Callable[[], Taken]]:
    """Known mistakes of compiled steps, and what each would give."""
    first = steps[0]
    early = reference.limited_before if first.max_norm else take
    return {
        "the first step's mask in every step": lambda: one_by_one(
            [replace(one, noise=first.noise) for one in steps]
        ),
        "a mask of the call before": lambda: one_by_one(with_noise_of(earlier, steps)),
        "no max-norm": lambda: one_by_one([replace(one, max_norm=None) for one in steps]),
        "max-norm before the update": lambda: one_by_one(steps, early),
        "a learning rate in float32": lambda: one_by_one(
            [replace(one, lr=reference.single(one.lr)) for one in steps]
        ),
    }


def with_noise_of(earlier: list[Step], steps: list[Step]) -> list[Step]:
    """The steps with the noise of an earlier call, if that has as many steps and images."""
    if [len(one.X) for one in earlier] != [len(one.X) for one in steps]:
        return steps
    return [replace(one, noise=old.noise) for one, old in zip(steps, earlier, strict=True)]


def one_by_one(steps: list[Step], move: Callable[[Step], Result] = take) -> Taken:
    """Take steps that go on from each other."""
    params, results = steps[0].params, []
    for one in steps:
        results.append(move(replace(one, params=params)))
        params = results[-1].params
    return {
        "logits": np.stack([result.logits for result in results]),
        "losses": np.array([result.loss for result in results]),
        **{f"{name} at the end": array for name, array in zip(NAMES, params, strict=True)},
    }
