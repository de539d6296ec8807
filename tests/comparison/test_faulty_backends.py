"""Each fault in a working backend is found by the checks of a comparison, and named.

The backends are copies of NumPy's with one changed function. The jobs run in this process.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from d2ldrop import Recipe, get_backend, load_data, train
from d2ldrop.backend import GROUP
from d2ldrop.comparison.checks import Check, plan_checks
from d2ldrop.comparison.lockstep import Lockstep
from d2ldrop.comparison.lockstep_jobs import first_steps_job, reference_job
from d2ldrop.comparison.plan import Variant
from d2ldrop.core.noise import LayerNoise
from d2ldrop.entry_points import modules_of
from d2ldrop.processes import jobs
from d2ldrop.processes.shared_data import SharedData, shared_data
from tests.comparison.test_runner import COMPARE, SMALL
from tests.fakes import BODIES, install

numpy: Any = get_backend("numpy")
RECIPE = Recipe(num_epochs=2, num_hiddens=(16, 16), batch_size=64, dtype="float64")
STEPS = 6
EPOCH = 5
Fault = dict[str, Callable[..., Any]]


def step(
    before: Callable[..., Any] = lambda *arguments: arguments,
    after: Callable[..., Any] = lambda result, *_: result,
) -> Fault:
    """``train_step`` with other arguments or another result."""

    def train_step(*arguments: Any) -> Any:
        start = [param.copy() for param in arguments[0]]
        return after(numpy.train_step(*before(*arguments)), start, *arguments[1:])

    return {"train_step": train_step}


def layer(faulty: Callable[..., Any]) -> Fault:
    """Another ``dropout_layer``; ``faulty`` takes X, p and a mask (or None)."""

    def dropout_layer(X: Any, dropout: float, *, mask: Any = None) -> Any:
        return faulty(X, dropout, mask)

    return {"dropout_layer": dropout_layer}


def draw(X: Any, p: float) -> Any:
    return numpy.generator.random(X.shape) >= p


def rounded(value: float) -> float:
    return float(np.float32(value))


def decay_biases(result: Any, start: Any, X: Any, y: Any, lr: float, noise: Any, wd: float) -> Any:
    for param, old in zip(result[0][1::2], start[1::2], strict=True):
        param -= lr * wd * old
    return result


def clip_rows(params: Any, max_norm: float) -> Any:
    for W in params[::2]:
        W /= np.maximum(np.linalg.norm(W, axis=1, keepdims=True) / max_norm, 1)
    return params


def frozen_biases(result: Any, start: Any, *_: Any) -> Any:
    for param, old in zip(result[0][1::2], start[1::2], strict=True):
        param[:] = old
    return result


def predict_with_noise(params: Any, X: Any) -> Any:
    return numpy.mlp(params, X, (LayerNoise(0.2), LayerNoise(0.5)))


DRAWN = np.random.default_rng(0).random((512, 512))
FAULTS: dict[str, tuple[Fault, str]] = {
    "loss times lr": (
        step(after=lambda result, _, X, y, lr, *__: (result[0], lr * result[1], result[2])),
        r"^differs first at step 1 in the loss by 1\.2",
    ),
    "noise in predict": (
        {"predict": predict_with_noise},
        r"^differs in the predictions on test images by 0\.0",
    ),
    "logits of after the step": (
        step(
            after=lambda result, _, X, y, lr, noise, *__: (
                *result[:2],
                numpy.mlp(result[0], X, noise),
            )
        ),
        r"^differs first at step 1 in the logits by 0\.\d+; train_step with fresh masks",
    ),
    "inverted fresh mask": (
        layer(
            lambda X, p, mask: numpy.dropout_layer(X, p, mask=~draw(X, p) if mask is None else mask)
        ),
        r"^dropout_layer\(X, 0\.3\) of float64 drops 0\.69\d+ of the elements$",
    ),
    "boolean mask scaled by p": (
        layer(
            lambda X, p, mask: (
                numpy.dropout_layer(X, p) if mask is None or p in (0, 1) else mask * X / p
            )
        ),
        r"^dropout_layer\(X, 0\.3, mask=mask\) of float64 is wrong by 8\.1$",
    ),
    "manual_seed ignored": (
        {"manual_seed": lambda seed: None},
        r"float64 draws another mask after the same manual_seed$",
    ),
    "decayed biases": (
        step(after=decay_biases),
        r"^differs first at step 1 in b\d by 0\.0\d+ in a short training with lr 0\.1, "
        r"weight decay 0\.3 and max-norm 0\.4$",
    ),
    "clipped axis": (
        {"clip_norms": clip_rows},
        r"^differs first at step 1 in W\d by 0\.\d+ in a short training",
    ),
    "float32 lr": (
        step(lambda params, X, y, lr, *rest: (params, X, y, rounded(lr), *rest)),
        r"^differs first at step 1 in [Wb]\d by \d.\de-\d+ \(float32\?\) in a short training",
    ),
    "masks of the sites swapped": (
        step(lambda params, X, y, lr, noise, wd: (params, X, y, lr, noise[::-1], wd)),
        r"^differs first at step 1 in the logits by",
    ),
    "sum of the losses": (
        step(
            lambda params, X, y, lr, *rest: (params, X, y, lr * len(X), *rest),
            lambda result, _, X, *__: (result[0], len(X) * result[1], result[2]),
        ),
        r"^differs first at step 1 in the loss by 1\.5e\+02",
    ),
    "weight decay ignored": (
        step(lambda params, X, y, lr, noise, wd: (params, X, y, lr, noise, 0)),
        r"^differs first at step 1 in W\d by 0\.0\d+ in a short training",
    ),
    "float32 weight decay": (
        step(lambda params, X, y, lr, noise, wd: (params, X, y, lr, noise, rounded(wd))),
        r"^differs first at step 1 in W\d by \S+e-\d+ .*in a short training",
    ),
    "max-norm ignored": (
        {"clip_norms": lambda params, max_norm: params},
        r"^differs first at step 1 in W\d by \S+ in a short training",
    ),
    "float32 max-norm": (
        {"clip_norms": lambda params, max_norm: numpy.clip_norms(params, rounded(max_norm))},
        r"^differs first at step 1 in W\d by \S+ \(float32\?\) in a short training",
    ),
    "smaller batch divided by the batch size": (
        step(
            lambda params, X, y, lr, *rest: (
                params,
                X,
                y,
                lr * len(X) / (len(X) + len(X) % 32),
                *rest,
            )
        ),
        r"^differs first at step 3 in [Wb]\d by \S+ in a short training",
    ),
    "biases are not trained": (
        step(after=frozen_biases),
        r"^differs first at step 1 in b3 by 0\.",
    ),
    "float32 weights": (
        step(
            after=lambda result, *_: ([p.astype("f4").astype("f8") for p in result[0]], *result[1:])
        ),
        r"^differs first at step 1 in [Wb]\d by \S+e-\d+ \(float32\?\) in a short training",
    ),
    "float32 predictions": (
        {"predict": lambda params, X: numpy.predict(params, X).astype("f4").astype("f8")},
        r"^differs in the predictions on test images by \S+e-\d+ \(float32\?\)$",
    ),
    "no noise in training": (
        step(lambda params, X, y, lr, noise, wd: (params, X, y, lr, (LayerNoise(),) * 2, wd)),
        r"^differs first at step 1 in the logits by",
    ),
    "a rate of 0.31 for 0.3": (
        layer(
            lambda X, p, mask: (
                numpy.dropout_layer(X, p, mask=mask)
                if mask is not None
                else draw(X, p + 0.01) * X / (1 - p)
            )
        ),
        r"^dropout_layer\(X, 0\.3\) of float64 drops 0\.3\d+ of the elements",
    ),
    "one fresh mask for ever": (
        layer(
            lambda X, p, mask: numpy.dropout_layer(X, p, mask=p <= DRAWN if mask is None else mask)
        ),
        r"draws the same mask after another manual_seed; .* draws the same mask twice",
    ),
    "float32 becomes float64": (
        layer(lambda X, p, mask: numpy.dropout_layer(X, p, mask=mask).astype("f8")),
        r"of float32 gives float64 of shape \(512, 512\)",
    ),
    "float32 scale of a boolean mask": (
        layer(
            lambda X, p, mask: (
                numpy.dropout_layer(X, p)
                if mask is None or p in (0, 1)
                else mask * X * rounded(1 / (1 - p))
            )
        ),
        r"^dropout_layer\(X, 0\.3, mask=mask\) of float64 is wrong by \S+e-0\d$",
    ),
    "nothing drops at a rate of 1": (
        layer(lambda X, p, mask: X if p == 1 else numpy.dropout_layer(X, p, mask=mask)),
        r"^dropout_layer\(X, 1, mask=mask\) of float64 is wrong by",
    ),
    "cross_entropy sums": (
        {"cross_entropy": lambda logits, y: numpy.cross_entropy(logits, y) * len(y)},
        r"^cross_entropy is wrong by [\d.]+$",
    ),
}


def fresh(draw_masks: Callable[..., Any]) -> Fault:
    """``train_step`` whose fresh masks are those of ``draw_masks(X, noise)``."""

    def before(params: Any, X: Any, y: Any, lr: float, noise: Any, wd: float = 0) -> Any:
        if noise[0].mask is None and noise[0].kind == "dropout":
            noise = draw_masks(X, noise)
        return params, X, y, lr, noise, wd

    return step(before)


def one_mask(X: Any, noise: Any) -> Any:
    drawn = numpy.generator.random((len(X), 10))
    return [site._replace(mask=drawn >= site.dropout) for site in noise]


def same_masks_in_every_step(X: Any, noise: Any) -> Any:
    numpy.manual_seed(3)
    return numpy.draw_masks(noise, len(X), [10, 10])


def second_rate_twice(X: Any, noise: Any) -> Any:
    return [noise[1], noise[1]]


FAULTS |= {
    "one fresh mask for both sites": (
        fresh(one_mask),
        r"^train_step with fresh masks and dropout \(0\.3, 0\.6\) drops 0\.\d+ of the units",
    ),
    "the generator is seeded in every step": (
        fresh(same_masks_in_every_step),
        r"^train_step with fresh masks and dropout \(0\.3, 0\) draws the same masks in two steps$",
    ),
    "the first site has the second's rate": (
        fresh(second_rate_twice),
        r"^train_step with fresh masks and dropout \(0\.3, 0\) is wrong by",
    ),
}


def concise(change: Callable[[tuple[float, float]], tuple[float, float]]) -> Fault:
    """``concise_mlp`` with other rates."""

    def concise_mlp(arrays: Any, dropout: Any, *rest: Any) -> Any:
        return numpy.concise_mlp(arrays, change(dropout), *rest)

    return {"concise_mlp": concise_mlp}


def one_seed(arrays: Any, dropout: Any, *rest: Any) -> Any:
    net, trainer = numpy.concise_mlp(arrays, dropout, *rest)
    for site in (net.layers[2], net.layers[5]):
        site.generator = np.random.default_rng(7)
    return net, trainer


CONCISE_FAULTS: dict[str, tuple[Fault, str]] = {
    "float32 lr": (
        {
            "concise_mlp": lambda arrays, dropout, lr, *rest: numpy.concise_mlp(
                arrays, dropout, rounded(lr), *rest
            )
        },
        r"^differs first at step 1 in b3 by \S+ \(float32\?\) in a short training with lr 0\.1$",
    ),
    "dropout in concise_predict": (
        {"concise_predict": lambda net, X: net.forward(X, training=True)},
        r"^concise_predict is wrong by \S+: does it drop units\?$",
    ),
    "no dropout": (
        concise(lambda rates: (0, 0)),
        r"^concise_step with fresh masks and dropout \(0\.3, 0\) is wrong by",
    ),
    "the first site has the second's rate": (
        concise(lambda rates: (rates[1], rates[1])),
        r"^concise_step with fresh masks and dropout \(0\.3, 0\) is wrong by",
    ),
    "the first site never drops": (
        concise(lambda rates: (0, rates[1])),
        r"^concise_step with fresh masks and dropout \(0\.3, 0\) is wrong by",
    ),
    "one seed for both sites": (
        {"concise_mlp": one_seed},
        r"^concise_step with fresh masks and dropout \(0\.3, 0\.6\) drops 0\.\d+ of the units",
    ),
    "logits in float32": (
        {"concise_predict": lambda net, X: numpy.concise_predict(net, X).astype("f4").astype("f8")},
        r"^differs in the predictions on test images by \S+ \(float32\?\); concise_predict is",
    ),
}
WHOLE_RUN_FAULTS: dict[str, tuple[Fault, str]] = {
    "loss times lr": (FAULTS["loss times lr"][0], r"^differs first at step 1 in the loss by 1\.2$"),
    "other classes": (
        {"predict": lambda params, X: -numpy.predict(params, X)},
        r"^differs in the test accuracy by 0\.\d+$",
    ),
    "float32 lr in the last steps": (
        step(
            lambda params, X, y, lr, *rest: (params, X, y, lr * (1 + 3e-8 * (len(X) < 64)), *rest)
        ),
        r"^differs first at step 5 in [Wb]\d|^differs first at step 6 in the loss by",
    ),
}


@dataclass
class Checks:
    """The checks of a comparison, after NumPy's steps."""

    shared: SharedData
    folder: Path
    checks: list[Check]
    found: list[Lockstep]

    def first_steps(
        self, monkeypatch: pytest.MonkeyPatch, fault: Fault, implementation: str
    ) -> tuple[bool, str | None]:
        """Whether the first steps of a backend are in lockstep, and where they differ first."""
        register(monkeypatch, fault)
        variant = Variant("faulty", implementation)
        first_steps_job(variant, self.checks, self.shared, self.folder, "cpu").run(ignore)
        return self._result(("scratch", "concise").index(implementation), variant, Path())

    def whole_run(
        self, monkeypatch: pytest.MonkeyPatch, fault: Fault, folder: Path
    ) -> tuple[bool, str | None]:
        """The same of a whole run in ``folder``."""
        register(monkeypatch, fault)
        train("faulty", RECIPE, data=self.shared.load(), folder=folder)
        return self._result(2, Variant("faulty"), folder)

    def _result(self, number: int, variant: Variant, trained: Path) -> tuple[bool, str | None]:
        found = self.found[number]
        self.checks[number].measure(found, self.folder, variant, trained)
        return found.holds(variant.name), found.differs_first[variant.name]


def register(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Register a copy of NumPy's backend with the fault, as "faulty"."""
    module = ModuleType("fake_faulty")
    vars(module).update({**vars(numpy), **fault})
    monkeypatch.setitem(sys.modules, "faulty", ModuleType("faulty"))
    monkeypatch.setitem(sys.modules, "fake_faulty", module)
    entry = EntryPoint("faulty", "fake_faulty", GROUP)
    monkeypatch.setitem(modules_of(GROUP), "faulty", entry)


def ignore(*_: object, **__: object) -> None:
    """Take a report, and do nothing."""


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("checks")
    variants = [Variant("faulty"), Variant("faulty", "concise")]
    planned = plan_checks(RECIPE, variants, STEPS, RECIPE.num_epochs * EPOCH)
    with shared_data(load_data("stand-in", train_size=300, test_size=50)) as shared:
        reference_job(planned, shared, folder).run(ignore)
        yield Checks(shared, folder, planned, [one.measure_yardstick(folder) for one in planned])


def test_a_copy_of_numpy_is_in_lockstep(
    checks: Checks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert checks.first_steps(monkeypatch, {}, "scratch") == (True, None)
    assert checks.first_steps(monkeypatch, {}, "concise") == (True, None)
    assert checks.whole_run(monkeypatch, {}, tmp_path) == (True, None)


@pytest.mark.parametrize(
    ("implementation", "name"),
    [*(("scratch", name) for name in FAULTS), *(("concise", name) for name in CONCISE_FAULTS)],
)
def test_a_fault_is_found_and_named(
    checks: Checks, monkeypatch: pytest.MonkeyPatch, implementation: str, name: str
) -> None:
    faults = FAULTS if implementation == "scratch" else CONCISE_FAULTS
    fault, expected = faults[name]
    holds, where = checks.first_steps(monkeypatch, fault, implementation)
    assert not holds
    assert where
    assert re.search(expected, where), where


@pytest.mark.parametrize("name", WHOLE_RUN_FAULTS)
def test_a_whole_run_is_compared_in_its_losses_and_its_test_accuracy(
    checks: Checks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    fault, expected = WHOLE_RUN_FAULTS[name]
    holds, where = checks.whole_run(monkeypatch, fault, tmp_path)
    assert not holds
    assert where
    assert re.search(expected, where), where


def test_a_worker_that_ignores_the_nudge_is_an_error(
    checks: Checks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jobs, "nudged", lambda weights, *_: weights)
    (check,) = checks.checks[:1]
    reference_job([check], checks.shared, tmp_path).run(ignore)
    with pytest.raises(ValueError, match="nudge of the initial weights has changed no weight"):
        check.measure_yardstick(tmp_path)


BODIES_WITH_FAULTS = {
    "noisy": """
from d2ldrop.core.noise import LayerNoise
def predict(params, X):
    return d2ldrop_numpy.mlp(params, X, (LayerNoise(0.2), LayerNoise(0.5)))
""",
    "coarse": """
def train_step(params, X, y, lr, *args):
    return d2ldrop_numpy.train_step(params, X, y, float(np.float32(lr)), *args)
""",
}


def test_the_table_says_where_a_backend_differs_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, body in BODIES_WITH_FAULTS.items():
        monkeypatch.setitem(BODIES, name, body)
    env = install(tmp_path / "site", "honest", *BODIES_WITH_FAULTS)
    out = subprocess.run(
        [*COMPARE, *SMALL, "--quiet", "honest", *BODIES_WITH_FAULTS],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert out.returncode == 1, out.stderr
    text = " ".join(out.stdout.split())
    assert "NOT in lockstep: noisy, coarse: largest" in text
    assert re.search(r"noisy differs in the predictions on test images by [\d.e-]+\. ", text)
    assert re.search(
        r"coarse differs first at step 1 in b3 by [\d.]+e-\d+ \(float32\?\) in a short training "
        r"with lr 0\.1, weight decay 0\.3 and max-norm 0\.4\. ",
        text,
    )
    assert "honest differs" not in text
    assert len(re.findall(r"(noisy|coarse) .* APART", out.stdout)) == 2
