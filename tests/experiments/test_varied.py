"""An experiment refuses options that it varies itself."""

from __future__ import annotations

from typing import Any

import click
import pytest

from d2ldrop import Recipe
from d2ldrop.cli.main import cli
from d2ldrop.experiments import NAMES
from d2ldrop.experiments.engine.varied import refuse_varied


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("swap-dropout", {"dropout": (0.3, 0.3)}),
        ("swap-dropout", {"dropout": (0.2, 0.5)}),
        ("rate-sweep", {"dropout": (0.2, 0.5)}),
        ("weight-decay", {"weight_decay": 0.01}),
        ("max-norm", {"max_norm": 2.0}),
        ("early-late", {"schedule": "early:3"}),
        ("own-noise", {"noise": "gaussian"}),
        ("dropconnect", {"noise": "none"}),
        ("dropconnect", {"lr": 0.3}),
        ("data-size", {"lr": 0.5}),
        ("float32-chaos", {"dtype": "float64"}),
        ("float32-chaos", {"num_epochs": 7}),
    ],
)
def test_a_value_without_effect_is_refused(name: str, values: dict[str, Any]) -> None:
    (field,) = values
    with pytest.raises(ValueError, match=f"^{field} must be left out: {name} sets it itself, to "):
        refuse_varied(name, Recipe(**values), values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("swap-dropout", {"lr": 0.1, "num_epochs": 3, "seed": 4, "noise": "unit"}),
        ("more-epochs", {"num_epochs": 2, "dropout": (0.3, 0.3)}),
        ("dropconnect", {"lr": 0.2, "dropout": (0.1, 0.1)}),
        ("data-size", {"lr": 0.05, "num_epochs": 1}),
        ("float32-chaos", {"num_epochs": 1}),
        ("early-late", {"num_epochs": 1, "dropout": (0.1, 0.1)}),
        ("max-norm", {"schedule": "linear:3", "input_dropout": 0.1}),
        ("rate-sweep", {"num_hiddens": (64, 32)}),
    ],
)
def test_a_value_with_an_effect_is_accepted(name: str, values: dict[str, Any]) -> None:
    refuse_varied(name, Recipe(**values), values)


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_lets_the_user_choose_these(name: str) -> None:
    values: dict[str, Any] = {
        "num_epochs": 2,
        "num_hiddens": (16, 16),
        "batch_size": 64,
        "lr": 0.05,
        "seed": 3,
    }
    refuse_varied(name, Recipe(**values), values)


def refused(*arguments: str) -> str:
    with pytest.raises(click.ClickException) as caught:
        cli.main(["experiment", *arguments], standalone_mode=False)
    assert caught.value.exit_code == 2
    return caught.value.format_message()


def test_the_message_names_the_option() -> None:
    message = refused("swap-dropout", "--dropout", "0.3", "0.3")
    expected = "--dropout must be left out: swap-dropout sets it itself, to 0.2/0.5, 0/0, 0/0.2"
    assert message.startswith(expected)
    message = refused("early-late", "--schedule", "early:3")
    assert message.startswith("--schedule must be left out: early-late sets it itself, to constant")


def test_a_preset_may_set_what_is_varied() -> None:
    """Only options are refused: here the next argument is, which is checked later."""
    message = refused("swap-dropout", "--preset", "d2l-en", "--seeds", "0")
    assert message.startswith("--seeds must be a positive integer")
