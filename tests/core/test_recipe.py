"""A Recipe refuses invalid values, and its error names the field and the reason."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from d2ldrop import PRESETS, Recipe


def test_the_defaults_are_those_of_the_book() -> None:
    recipe = Recipe()
    assert recipe.sizes == (784, 256, 256, 10)
    assert (recipe.dropout, recipe.lr, recipe.batch_size, recipe.num_epochs) == (
        (0.2, 0.5),
        0.5,
        256,
        10,
    )
    assert PRESETS["d2l-zh"] == recipe
    assert (PRESETS["d2l-en"].lr, PRESETS["d2l-en"].dropout) == (0.1, (0.5, 0.5))


def test_json_preserves_a_recipe() -> None:
    recipe = Recipe(num_hiddens=(7, 8), dropout=(0, 1), seed=2**64 - 1)
    assert Recipe(**json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_lists_and_numpy_scalars_are_accepted() -> None:
    given: dict[str, Any] = {
        "num_hiddens": [np.int64(4), 5],
        "lr": np.float32(0.5),
        "seed": np.uint64(2**64 - 1),
        "max_norm": np.float16(2),
    }
    recipe = Recipe(**given)
    assert recipe == Recipe(num_hiddens=(4, 5), lr=0.5, seed=2**64 - 1, max_norm=2)
    assert type(recipe.lr) is type(recipe.max_norm) is float


@pytest.mark.parametrize(
    ("field", "value", "exception", "message"),
    [
        ("num_epochs", 0, ValueError, "num_epochs must be a positive integer, got 0"),
        ("num_epochs", 1.0, TypeError, "num_epochs must be a positive integer, got 1.0"),
        ("num_epochs", True, TypeError, "num_epochs must be a positive integer, got True"),
        ("batch_size", -1, ValueError, "batch_size must be a positive integer, got -1"),
        ("lr", 0, ValueError, "lr must be a positive finite number, got 0"),
        ("lr", float("inf"), ValueError, "lr must be a positive finite number, got inf"),
        ("lr", np.float32("inf"), ValueError, "lr must be a positive finite number, got inf"),
        ("lr", np.float32(0), ValueError, "lr must be a positive finite number, got 0.0"),
        ("lr", np.float16("inf"), ValueError, "lr must be a positive finite number, got inf"),
        ("lr", np.float64(0), ValueError, "lr must be a positive finite number, got 0.0"),
        ("lr", np.int8(0), ValueError, "lr must be a positive finite number, got 0"),
        ("lr", np.longdouble("1e400"), ValueError, "lr must be a positive finite number"),
        ("lr", Fraction(1, 10**400), ValueError, "lr must be a positive finite number"),
        ("lr", 10**400, ValueError, "lr must be a positive finite number"),
        ("lr", "fast", TypeError, "lr must be a positive finite number, got 'fast' of type str"),
        ("num_hiddens", (256,), ValueError, "num_hiddens must be two values, .* got 1"),
        ("num_hiddens", 256, TypeError, "num_hiddens must be two values, .* got 256"),
        ("num_hiddens", (0, 1), ValueError, "num_hiddens must be a positive integer, got 0"),
        ("dropout", (0.2, 1.5), ValueError, r"dropout must be a probability in \[0, 1\], got 1.5"),
        (
            "dropout",
            (0.2, float("nan")),
            ValueError,
            r"dropout must be a probability in \[0, 1\], got nan",
        ),
        ("dropout", 0.5, TypeError, "dropout must be two values"),
        ("seed", -1, ValueError, r"seed must be an integer in \[0, 2\*\*64\), got -1"),
        ("seed", 2**64, ValueError, "seed must be an integer"),
        ("dtype", "float16", ValueError, "dtype must be one of float32, float64, got 'float16'"),
        ("dtype", np.dtype("float32"), ValueError, "dtype must be one of"),
        ("rng", "own", ValueError, "rng must be one of shared, native, got 'own'"),
        ("input_dropout", -0.1, ValueError, "input_dropout must be a probability .*, got -0.1"),
        ("noise", "salt", ValueError, "noise must be one of dropout, gaussian, .*, got 'salt'"),
        ("scaling", "no", ValueError, "scaling must be one of inverted, original, got 'no'"),
        ("weight_decay", -1, ValueError, "weight_decay must be a finite .*not negative, got -1"),
        ("weight_decay", float("inf"), ValueError, "weight_decay must be a finite number"),
        ("max_norm", 0, ValueError, "max_norm must be a positive finite number, got 0"),
        ("max_norm", -3.0, ValueError, "max_norm must be a positive finite number, got -3.0"),
        ("max_norm", np.float32(0), ValueError, "max_norm must be a positive finite number"),
        ("max_norm", np.float32("inf"), ValueError, "max_norm must be a positive finite number"),
        ("max_norm", np.float32("nan"), ValueError, "max_norm must be a positive finite number"),
        ("weight_decay", np.float32("inf"), ValueError, "weight_decay must be a finite number"),
        ("weight_decay", np.float16(-1), ValueError, "weight_decay must be a .* got -1.0"),
        ("input_dropout", np.float32(1.5), ValueError, "input_dropout must be a probability"),
        ("num_epochs", np.int8(0), ValueError, "num_epochs must be a positive integer, got 0"),
        ("seed", np.int64(-1), ValueError, r"seed must be an integer in \[0, 2\*\*64\), got -1"),
        ("max_norm", "3", TypeError, "max_norm must be a positive finite number, got '3' of type"),
        *(
            ("schedule", value, ValueError, "schedule must be constant, early:E, late:E or linear")
            for value in (
                "early",
                "early:0",
                "early:-1",
                "early:1.5",
                "soon:3",
                "early:3x",
                3,
                None,
            )
        ),
    ],
)
def test_bad_values_are_refused(
    field: str, value: Any, exception: type[Exception], message: str
) -> None:
    with pytest.raises(exception, match=message):
        dataclasses.replace(Recipe(), **{field: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise": "gaussian", "dropout": (0, 1)}, "dropout must be below 1 with noise 'gaussian'"),
        ({"noise": "additive", "dropout": (1, 0)}, "dropout must be below 1 with noise 'additive'"),
        ({"noise": "unit"}, "noise must be 'dropout' with scaling 'original', got 'unit'"),
        ({"input_dropout": 0.1}, "input_dropout must be 0.0 with scaling 'original', got 0.1"),
        ({"schedule": "late:1"}, "schedule must be 'constant' with scaling 'original'"),
        ({"rng": "native"}, "rng must be 'shared' with scaling 'original', got 'native'"),
    ],
)
def test_contradictory_fields_are_refused(changes: dict[str, Any], message: str) -> None:
    if "original" in message:
        changes = {"scaling": "original", **changes}
    with pytest.raises(ValueError, match=message):
        Recipe(**changes)
