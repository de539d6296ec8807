"""Every noise and regulariser, and the concise version, over one epoch of the real data in float64.

One worker a backend takes all the steps, so that each framework is imported once.
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
from d2ldrop.comparison.lockstep import Lockstep
from d2ldrop.comparison.lockstep import Check, difference, take_first_steps, take_reference_steps
from d2ldrop.comparison.runner import ignore
from d2ldrop.comparison.workplace import Row, Workplace, laid_out
from d2ldrop.data.fashion_mnist import DEBIAN
from d2ldrop.training.folder import load_weights

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DEBIAN.exists(), reason="dataset-fashion-mnist is not installed"),
]
EPOCH = 235
MAX_NORM = 0.5
# With lr 0.5 and one mask a batch, rounding grows from 1e-16 to 1 within the epoch.
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
    """What the fixture has measured: a check and its lockstep, by name."""

    place: Workplace
    checks: dict[str, Check]
    measured: dict[str, Lockstep]


@pytest.fixture(scope="module")
def epoch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Epoch]:
    folder = tmp_path_factory.mktemp("epoch")
    checks = {}
    for name, changes in CHANGES.items():
        kind = "concise" if name == "concise" else "scratch"
        rows = tuple(Row(backend, kind) for backend in available_backends())
        checks[name] = Check(name, Recipe(dtype="float64", **changes), EPOCH, rows)
    data = load_data("fashion-mnist")
    with laid_out(data) as scratch:
        place = Workplace(folder, Recipe(), data, "cpu", 300, {}, scratch, ignore)
        measured = dict(
            zip(checks, take_reference_steps(place, list(checks.values())), strict=True)
        )
        for backend in available_backends():
            for kind in ("scratch", "concise"):
                row = Row(backend, kind)
                take_first_steps(place, row, list(checks.values()), folder / f"{row.name}.log")
                for name, check in checks.items():
                    if row in check.rows:
                        apart = difference(place, row, check, Path())
                        measured[name].differences[row.name] = apart
        yield Epoch(place, checks, measured)


@pytest.mark.parametrize("name", CHANGES)
def test_one_epoch_of_the_real_data_in_lockstep(epoch: Epoch, name: str) -> None:
    check = epoch.measured[name]
    print(name, check, file=sys.stderr)
    assert len(check.rows) == len(available_backends())
    for row in check.rows:
        assert check.holds(row), (name, row, check)


def test_each_has_an_effect(epoch: Epoch) -> None:
    """The runs have learned, and ended in weights of their own; max-norm has held some short."""
    ends = []
    for check in epoch.checks.values():
        weights = load_weights(check.references(epoch.place)[0]["out"])
        assert all(np.isfinite(w).all() for w in weights.values())
        ends.append(weights["W2"])
    for i, one in enumerate(ends):
        assert np.linalg.norm(one) > 3  # it begins at 0.01 * 256
        for other in ends[:i]:
            assert np.abs(one - other).max() > 1e-3
    check = epoch.checks["additive, max-norm"]
    weights = load_weights(check.references(epoch.place)[0]["out"])
    norms = np.concatenate([np.linalg.norm(weights[name], axis=0) for name in ("W1", "W2", "W3")])
    assert norms.max() == pytest.approx(MAX_NORM)
    assert np.isclose(norms, MAX_NORM).sum() >= 10
