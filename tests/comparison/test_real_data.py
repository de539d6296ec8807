"""Every noise, every regulariser and the concise version stay in lockstep for an epoch.

The data are 24,000 images of Fashion-MNIST, and the dtype is float64. One worker per variant takes
all steps, so each framework is imported once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop import Recipe, available_backends, load_data
from d2ldrop.comparison.checks import Check
from d2ldrop.comparison.lockstep import Lockstep
from d2ldrop.comparison.lockstep_jobs import first_steps_job, reference_job
from d2ldrop.comparison.plan import Variant
from d2ldrop.data.places import DEBIAN
from d2ldrop.processes.launcher import run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.shared_data import shared_data
from d2ldrop.training.saved_arrays import load_weights

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DEBIAN.exists(), reason="dataset-fashion-mnist is not installed"),
]
TRAIN_SIZE = 24_000
EPOCH = 94
"""The number of steps. The last batch has 192 images instead of 256."""
MAX_NORM = 0.5
# With lr 0.5 and one mask per batch, rounding grows from 1e-16 to 1 within the epoch.
CHANGES: dict[str, dict[str, Any]] = {
    "gaussian, input dropout": {"noise": "gaussian", "input_dropout": 0.2},
    "additive, max-norm": {"noise": "additive", "max_norm": MAX_NORM},
    "dropconnect, weight decay": {"noise": "dropconnect", "weight_decay": 1e-3, "lr": 0.2},
    "unit, early": {"noise": "unit", "schedule": "early:1", "lr": 0.2},
    "original": {"scaling": "original"},
    "concise": {"noise": "none", "lr": 0.2},
}


@dataclass
class Epoch:
    """The checks and their results, by name."""

    folder: Path
    checks: dict[str, Check]
    measured: dict[str, Lockstep]


@pytest.fixture(scope="module")
def epoch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Epoch]:
    folder = tmp_path_factory.mktemp("epoch")
    checks = {}
    for name, changes in CHANGES.items():
        kind = "concise" if name == "concise" else "scratch"
        variants = tuple(Variant(backend, kind) for backend in available_backends())
        checks[name] = Check(name, Recipe(dtype="float64", **changes), EPOCH, variants)
    options, all_checks = WorkerOptions(), list(checks.values())
    with shared_data(load_data("fashion-mnist", train_size=TRAIN_SIZE)) as shared:
        log = folder / "reference.log"
        run_job(reference_job(all_checks, shared, folder), options, lambda _: None, log=log)
        measured = {name: check.measure_yardstick(folder) for name, check in checks.items()}
        for backend in available_backends():
            for kind in ("scratch", "concise"):
                variant = Variant(backend, kind)
                job = first_steps_job(variant, all_checks, shared, folder, "cpu")
                log = folder / f"{variant.name}.log"
                run_job(job, options, lambda _: None, log=log)
                for name, check in checks.items():
                    if variant in check.variants:
                        check.measure(measured[name], folder, variant, Path())
        yield Epoch(folder, checks, measured)


@pytest.mark.parametrize("name", CHANGES)
def test_one_epoch_of_the_real_data_stays_in_lockstep(epoch: Epoch, name: str) -> None:
    check = epoch.measured[name]
    print(name, check, file=sys.stderr)
    assert len(check.variants) == len(available_backends())
    for variant in check.variants:
        assert check.holds(variant), (name, variant, check)


def test_each_noise_and_regulariser_has_an_effect(epoch: Epoch) -> None:
    """Each run has learned and has other weights. Max-norm has limited some of them."""
    ends = []
    for check in epoch.checks.values():
        weights = load_weights(check.reference_steps(epoch.folder)[0].out)
        assert all(np.isfinite(w).all() for w in weights.values())
        ends.append(weights["W2"])
    for i, one in enumerate(ends):
        assert np.linalg.norm(one) > 3  # it starts at 0.01 * 256
        for other in ends[:i]:
            assert np.abs(one - other).max() > 1e-3
    check = epoch.checks["additive, max-norm"]
    weights = load_weights(check.reference_steps(epoch.folder)[0].out)
    norms = np.concatenate([np.linalg.norm(weights[name], axis=0) for name in ("W1", "W2", "W3")])
    assert norms.max() == pytest.approx(MAX_NORM)
    assert np.isclose(norms, MAX_NORM).sum() >= 10
