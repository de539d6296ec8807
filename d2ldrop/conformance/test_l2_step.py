"""L2: the network, its loss and its gradients, and one training step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from d2ldrop.backend import get_train_steps
from d2ldrop.conformance import reference
from d2ldrop.conformance.compare_steps import (
    MAX_NORM,
    check_compiled,
    check_gradients,
    check_loss,
    check_part,
    check_result,
    check_step,
    described,
    max_norm_faults,
    size,
)
from d2ldrop.conformance.judge import check_close, check_equal, fail, skip_undeclared, values_of
from d2ldrop.conformance.problems import (
    BOUND,
    RATES,
    WIDTHS,
    Module,
    boolean_masks,
    make_step,
    network,
    read_params,
    send,
    send_noise,
    send_params,
    six,
    taken,
)
from d2ldrop.conformance.reference import NAMES, Step, right
from d2ldrop.core.noise import NOISES, LayerNoise

SHAPES = [(31, WIDTHS[0]), (31, WIDTHS[1]), (1, WIDTHS[1]), (256, WIDTHS[1])]
"""Sizes of a batch, and widths of the hidden layers."""
DTYPES = ("float64", "float32")


@pytest.mark.place("network")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("noise", [None, "boolean"], ids=["quiet", "masks"])
def test_logits(backend: Module, device: str, noise: str | None, dtype: str) -> None:
    """The logits of ``mlp``, without noise and with given masks."""
    for n, widths in SHAPES:
        step = make_step(n, widths, dtype, noise=noise)
        given = "given masks" if noise else "no noise"
        place = f"{'layer forward' if noise else 'network'}, mlp with {given} {described(step)}"
        params = send_params(backend, step.params, device)
        X = send(backend, step.X, device)
        logits = backend.mlp(params, X, send_noise(backend, step.noise, device))
        found = values_of(backend, logits, place)
        check_part(place, step, found, lambda result: result.logits, size(right(step).logits))


@pytest.mark.place("loss")
@pytest.mark.parametrize("dtype", DTYPES)
def test_loss(backend: Module, device: str, dtype: str) -> None:
    """``cross_entropy`` of usual logits."""
    for n in (1, 31, 256):
        step = make_step(n, WIDTHS[0], dtype)
        logits = right(step).logits.astype(dtype)
        check_loss(f"loss, cross_entropy [n={n}, {dtype}]", backend, logits, step.y, device)


@pytest.mark.place("loss")
@pytest.mark.parametrize("dtype", DTYPES)
def test_loss_of_large_logits(backend: Module, device: str, dtype: str) -> None:
    """Logits of 1e4, whose exponential is infinite: the largest one is the label's, then not."""
    step = make_step(31, WIDTHS[0], dtype)
    logits = 1e4 * np.sign(right(step).logits).astype(dtype)
    for labels, what in ((logits.argmax(axis=1), "that are right"), (step.y, "some of them wrong")):
        place = f"loss, cross_entropy of logits of 1e4, labels {what} [{dtype}]"
        check_loss(place, backend, logits, labels, device)


@pytest.mark.place("gradients")
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients(backend: Module, device: str, dtype: str) -> None:
    """The gradients without noise: a step with lr 1 subtracts them."""
    for n, widths in SHAPES:
        step = make_step(n, widths, dtype, lr=1.0)
        found, _ = taken(backend, step, device, f"gradients, train_step {described(step)}")
        check_gradients("gradients", step, found)


@pytest.mark.place("gradients")
def test_gradients_of_large_logits(backend: Module, device: str) -> None:
    """Gradients and loss are finite although the exponential of a logit is not."""
    step = make_step(31, WIDTHS[1], lr=1.0)
    *others, W3, b3 = step.params
    step = replace(step, params=(*others, 5e3 * W3, b3))
    found, _ = taken(backend, step, device, f"gradients, large logits {described(step)}")
    # Checks of the loss itself are above.
    check_gradients("gradients, large logits", step, found._replace(loss=right(step).loss))


@pytest.mark.place("gradients")
def test_gradients_where_units_are_zero(backend: Module, device: str) -> None:
    """The derivative of ReLU at exactly 0 is 0."""
    step = make_step(31, WIDTHS[0], lr=1.0)
    W1, b1, W2, b2, W3, b3 = (param.copy() for param in step.params)
    W1[:, ::3], b1[::3], W2[:, ::4], b2[::4] = 0, 0, 0, 0
    step = replace(step, params=(W1, b1, W2, b2, W3, b3))
    found, _ = taken(backend, step, device, "gradients, ReLU at 0")
    check_gradients("gradients, ReLU at 0", step, found)


@pytest.mark.place("layer gradient")
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_through_masks(backend: Module, device: str, dtype: str) -> None:
    """The gradients with given masks at one site, at both, and with the rates 0 and 1."""
    for widths in WIDTHS:
        step = make_step(31, widths, dtype, lr=1.0)
        both = boolean_masks(31, widths)
        quiet, all_dropped = LayerNoise(), LayerNoise(1.0)
        for noise, which in (
            (both, "given masks"),
            ((both[0], quiet), "a given mask at the first site"),
            ((quiet, both[1]), "a given mask at the second site"),
            ((all_dropped, both[1]), "rates of 1 and 0.6"),
            ((both[0], all_dropped), "rates of 0.3 and 1"),
        ):
            noisy = replace(step, noise=noise)
            found, _ = taken(backend, noisy, device, f"layer gradient, {which}")
            check_gradients(f"layer gradient, {which}", noisy, found)


@pytest.mark.place("step")
@pytest.mark.parametrize("kind", ["boolean", *NOISES])
def test_step(backend: Module, device: str, kind: str) -> None:
    """One step with lr 0.1 and weight decay, for each noise; loss and logits are those before."""
    for n, widths in ((31, WIDTHS[0]), (31, WIDTHS[1]), (256, WIDTHS[0])):
        step = make_step(n, widths, noise=kind, weight_decay=0.3)
        check_step(f"step, noise {kind} {described(step)}", backend, step, device)


@pytest.mark.place("step")
@pytest.mark.parametrize("dtype", DTYPES)
def test_learning_rate(backend: Module, device: str, dtype: str) -> None:
    """The update has exactly the learning rate that was given."""
    for lr in (0.1, 0.7, 1e-3):
        step = make_step(31, WIDTHS[1], dtype, noise="dropout", lr=lr)
        check_step(f"step, lr {lr:g} {described(step)}", backend, step, device)


@pytest.mark.place("max-norm")
@pytest.mark.parametrize("dtype", DTYPES)
def test_max_norm(backend: Module, device: str, dtype: str) -> None:
    """``clip_norms`` limits the columns of each W, also a column of zeros; biases stay."""
    for widths in WIDTHS:
        params = tuple(param.copy() for param in network(widths, dtype))
        for W in params[::2]:
            W[:, ::2] /= 16  # every second column is small enough
        params[2][:, 0] = 0
        place = f"max-norm, clip_norms [widths {widths[0]}-{widths[1]}, {dtype}]"
        clipped = backend.clip_norms(send_params(backend, params, device), MAX_NORM)
        step = Step(params, np.zeros((1, 784), dtype), np.zeros(1, int))
        found = read_params(backend, clipped, step, place)
        wide = tuple(param.astype(np.float64) for param in params)
        expected, bound = reference.clipped(wide, MAX_NORM), BOUND[dtype] / 10
        faults = max_norm_faults(wide)
        for index, name in enumerate(NAMES):
            causes = {cause: arrays[index] for cause, arrays in faults.items()}
            right_one = expected[index].astype(dtype)
            check_close(f"{place}, {name}", found[index], right_one, bound, causes)


@pytest.mark.place("step")
def test_step_with_max_norm(backend: Module, device: str) -> None:
    """A step with weight decay, then ``clip_norms``."""
    step = make_step(31, WIDTHS[1], noise="dropout", weight_decay=0.3, max_norm=1.0)
    check_step(f"step, max-norm 1 {described(step)}", backend, step, device)


@pytest.mark.place("evaluation")
@pytest.mark.parametrize("dtype", DTYPES)
def test_predict(backend: Module, device: str, dtype: str) -> None:
    """``predict`` has no noise, gives the same twice, and records nothing for gradients."""
    step = make_step(256, WIDTHS[0], dtype)
    params = send_params(backend, step.params, device)
    place = f"evaluation, predict {described(step)}"
    found = []
    for _ in range(2):
        logits = backend.predict(params, send(backend, step.X, device))
        found.append(values_of(backend, logits, place))
        if getattr(logits, "requires_grad", False) or not getattr(logits, "stop_gradient", True):
            fail(place, "expected logits without a record for gradients, got logits that have one")
    if not np.array_equal(found[0], found[1], equal_nan=True):
        where = np.unravel_index(np.argmax(found[0] != found[1]), found[0].shape)
        fail(
            place,
            "expected the same logits in a second call, as without noise; "
            f"expected {found[0][where]}, got {found[1][where]}",
        )
    for n in (256, 1, 1100):  # all test images may come in one call
        step = make_step(n, WIDTHS[0], dtype)
        place = f"evaluation, predict {described(step)}"
        logits = backend.predict(params, send(backend, step.X, device))
        values = values_of(backend, logits, place)
        check_part(place, step, values, lambda one: one.logits, size(right(step).logits))


@pytest.mark.place("evaluation")
def test_predict_after_a_step(backend: Module, device: str) -> None:
    """``predict`` uses the parameters that it is given, not those of an earlier call."""
    step = make_step(31, WIDTHS[0], noise="dropout")
    place = "evaluation, predict after a step"
    params = send_params(backend, step.params, device)
    X = send(backend, step.X, device)
    values_of(backend, backend.predict(params, X), place)
    _, params = taken(backend, step, device, place, params)
    logits = values_of(backend, backend.predict(params, X), place)
    expected = reference.logits_of(right(step).params, step.X)
    causes = {
        "the parameters before the step": reference.logits_of(step.params, step.X),
        "noise": reference.logits_of(right(step).params, step.X, step.noise),
    }
    check_close(place, logits, expected, BOUND["float64"] * size(expected), causes)


@pytest.mark.place("step")
def test_arrays_of_the_caller_stay_the_same(backend: Module, device: str) -> None:
    """A step changes neither the arrays behind the parameters nor the batch and its masks."""
    step = make_step(31, WIDTHS[0], noise="boolean", weight_decay=0.3, max_norm=1.0)
    given = (*(p.copy() for p in step.params), step.X.copy(), step.y.copy())
    masks = [np.array(site.mask) for site in step.noise]
    params = backend.init_params(list(given[:6]), device)
    X, y = (backend.from_numpy(array, device) for array in given[6:])
    noise = tuple(
        site._replace(mask=backend.from_numpy(mask, device))
        for site, mask in zip(step.noise, masks, strict=True)
    )
    new, *_ = backend.train_step(params, X, y, 0.1, noise, 0.3)  # type: ignore[arg-type]  # mypy
    for param in six(backend.clip_norms(new, 1.0), "max-norm, clip_norms"):
        backend.to_numpy(param)  # a framework may finish the update only now
    names = (*NAMES, "X", "y", "the first mask", "the second mask")
    before = (*step.params, step.X, step.y, *(site.mask for site in step.noise))
    for what, array, expected in zip(names, (*given, *masks), before, strict=True):
        check_equal(f"step, the caller's {what} after a step", array, expected)


def sequence(widths: tuple[int, int], seed: int = 0) -> list[Step]:
    """Steps with other masks, rates, images and batch sizes; their parameters are the first ones'.

    The fourth batch is smaller, as the last one of an epoch is.
    """
    sizes = (32, 32, 32, 16, 32)
    rates = (RATES, RATES, (0.1, 0.7), RATES, (0.0, 0.45))
    steps = []
    for number, (n, pair) in enumerate(zip(sizes, rates, strict=True), start=10 * seed):
        one = make_step(n, widths, seed=number, weight_decay=0.01, max_norm=2.0)
        masks = boolean_masks(n, widths, pair, seed=number)
        steps.append(replace(one, params=network(widths), noise=masks))
    return steps


@pytest.mark.place("step")
def test_several_steps(backend: Module, device: str) -> None:
    """Five steps in a row: each has its own masks, rates and batch; nothing stays of an earlier."""
    params = send_params(backend, network(WIDTHS[0]), device)
    for number, step in enumerate(sequence(WIDTHS[0]), start=1):
        start = tuple(np.array(backend.to_numpy(param)) for param in params)
        place = f"step, step {number} of 5, after steps with other masks"
        found, params = taken(backend, replace(step, params=start), device, place, params)
        check_result(place, replace(step, params=start), found)


@pytest.mark.place("compiled steps")
@pytest.mark.parametrize("kind", ["dropout", "dropconnect", "additive"])
def test_train_steps(backend: Module, name: str, device: str, kind: str) -> None:
    """``train_steps`` gives what its steps give one by one, in each call with other masks.

    The last calls have boolean masks, then none, and no weight decay.
    """
    train_steps = get_train_steps(name)
    if train_steps is None:
        skip_undeclared("compiled training steps (no train_steps in the group d2ldrop.compiled)")
    calls = [(kind, 3, 32, 0, 1.3), (kind, 3, 32, 5, 1.3), (kind, 2, 16, 7, None)]
    if kind == "dropout":
        calls += [("boolean", 2, 16, 9, None), ("none", 2, 16, 9, None)]
    earlier: list[Step] = []
    for number, (noise, k, n, seed, max_norm) in enumerate(calls, start=1):
        settings = {"lr": 0.1 if max_norm else 0.2, "weight_decay": 0.02 if noise == kind else 0}
        steps = [make_step(n, WIDTHS[1], noise=noise, seed=seed + i, **settings) for i in range(k)]
        steps = [replace(one, params=network(WIDTHS[1]), max_norm=max_norm) for one in steps]
        place = f"compiled steps, call {number} with noise {noise} [{k} steps, n={n}]"
        check_compiled(place, backend, train_steps, steps, earlier or steps, device)
        earlier = steps
