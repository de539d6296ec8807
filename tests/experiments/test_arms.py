"""Each arm trains with exactly the changes of the recipe that its name states."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from d2ldrop import Recipe
from d2ldrop.experiments import NAMES, Setting, find_experiment

RECIPE = Recipe(num_epochs=4, lr=0.05, num_hiddens=(40, 24), dropout=(0.1, 0.3), seed=3)
"""No value is the book's or one that an experiment sets."""
OFF = {"dropout": (0, 0)}
Changes = dict[str, dict[str, Any]]
"""For each arm, the fields that differ from RECIPE."""


def pairs(*rates: float) -> Changes:
    return {f"{p1:g}, {p2:g}": {"dropout": (p1, p2)} for p1 in rates for p2 in rates}


def widths(kind: str, widths_by_rate: dict[float, tuple[int, int]]) -> Changes:
    return {
        f"{kind}, p = {p:g}": {"dropout": (p, p), "num_hiddens": hiddens}
        for p, hiddens in widths_by_rate.items()
    }


WITH_AND_WITHOUT: Changes = {"with dropout": {}, "without": OFF}
RATES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8)
EXPECTED: dict[str, Changes] = {
    "swap-dropout": pairs(0, 0.2, 0.5, 0.8),
    "more-epochs": {"with dropout": {"num_epochs": 20}, "without": {**OFF, "num_epochs": 20}},
    "activation-variance": WITH_AND_WITHOUT,
    "test-time": {"dropout": {}},
    "weight-decay": {
        "no dropout, decay 0": OFF,
        "no dropout, decay 0.0001": {**OFF, "weight_decay": 0.0001},
        "no dropout, decay 0.0003": {**OFF, "weight_decay": 0.0003},
        "no dropout, decay 0.001": {**OFF, "weight_decay": 0.001},
        "dropout, decay 0": {},
        "dropout, decay 0.0001": {"weight_decay": 0.0001},
        "dropout, decay 0.0003": {"weight_decay": 0.0003},
        "dropout, decay 0.001": {"weight_decay": 0.001},
    },
    "dropconnect": {
        "dropout": {},
        "DropConnect": {"noise": "dropconnect"},
        "neither": {"noise": "none"},
    },
    "own-noise": {
        "dropout": {},
        "Gaussian, multiplied": {"noise": "gaussian"},
        "Gaussian, added": {"noise": "additive"},
        "one mask a batch": {"noise": "unit"},
        "DropConnect": {"noise": "dropconnect"},
        "pixels dropped": {"noise": "none", "input_dropout": 0.1},
        "none": {"noise": "none"},
    },
    "rate-sweep": widths("width n", dict.fromkeys(RATES, (40, 24)))
    | widths(
        "expected width n/2",
        {
            0: (20, 12),
            0.1: (22, 13),
            0.2: (25, 15),
            0.35: (31, 18),
            0.5: (40, 24),
            0.65: (57, 34),
            0.8: (100, 60),
        },
    ),
    "data-size": {
        f"{size:,} images, {kind}": {**changes, "num_epochs": epochs}
        for size, epochs in (
            (100, 80),
            (500, 80),
            (1000, 80),
            (5000, 48),
            (10_000, 24),
            (60_000, 4),
        )
        for kind, changes in (("dropout", {}), ("none", OFF))
    },
    "features": WITH_AND_WITHOUT,
    "max-norm": {
        f"{kind}, {limit}": {**changes, "max_norm": bound}
        for kind, changes in (("dropout", {}), ("no dropout", OFF))
        for limit, bound in (
            ("no bound", None),
            ("norm ≤ 2", 2.0),
            ("norm ≤ 1", 1.0),
            ("norm ≤ 0.5", 0.5),
        )
    },
    "early-late": {
        "always": {},
        "early: the first 2 epochs": {"schedule": "early:2"},
        "late: after 2 epochs": {"schedule": "late:2"},
        "falling to none": {"schedule": "linear:4"},
        "never": OFF,
    },
    "float32-chaos": {
        f"{title}, {dtype}": {"dtype": dtype, "num_epochs": 2}
        for dtype in ("float32", "float64")
        for title in ("NumPy", "PyTorch")
    },
}


def changes(recipe: Recipe) -> dict[str, Any]:
    return {
        field.name: getattr(recipe, field.name)
        for field in fields(recipe)
        if getattr(recipe, field.name) != getattr(RECIPE, field.name)
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_arm_trains_what_its_name_states(name: str) -> None:
    arms = find_experiment(name).arms(Setting(RECIPE, 60_000, ["numpy", "torch"]))
    expected = {
        arm: {field: value for field, value in fields.items() if value != getattr(RECIPE, field)}
        for arm, fields in EXPECTED[name].items()
    }
    assert {arm.name: changes(arm.recipe) for arm in arms} == expected
    assert len(arms) == len(expected)
    for arm in arms:
        size = int(arm.name.split()[0].replace(",", "")) if name == "data-size" else None
        assert arm.train_size == size
        framework = {"NumPy": "numpy", "PyTorch": "torch"}.get(arm.name.split(",")[0])
        assert arm.backend == framework


def test_the_learning_rate_is_limited_where_a_noise_needs_it() -> None:
    """The limit holds for all arms, so that only the noise, or the number of images, differs."""
    for name, limit in (("dropconnect", 0.2), ("own-noise", 0.2), ("data-size", 0.1)):
        arms = find_experiment(name).arms(Setting(replace(RECIPE, lr=0.5), 60_000, ["numpy"]))
        assert {arm.recipe.lr for arm in arms} == {limit}


@pytest.mark.parametrize("name", [name for name in NAMES if not find_experiment(name).compared])
def test_the_baseline_is_an_arm(name: str) -> None:
    """A misspelt baseline would be found only after all runs have finished."""
    experiment = find_experiment(name)
    entries = {arm: np.zeros(2) for arm in EXPECTED[name]}
    baselines = experiment.baselines(entries)
    assert set(baselines) == set(entries)
    assert set(baselines.values()) <= set(entries)
