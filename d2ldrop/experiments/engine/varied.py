"""Refuse hyper-parameters that an experiment sets itself, so that a user's value has no effect."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import fields, replace
from typing import Any

from d2ldrop.core.recipe import Recipe
from d2ldrop.experiments import Arm, Setting, find_experiment

NUM_IMAGES = 60_000
"""The number of training images does not matter here: none is loaded."""
OTHERS: dict[str, tuple[Any, ...]] = {
    "schedule": ("constant", "early:1", "late:1"),
    "max_norm": (None, 1.0, 3.0),
}
"""Other values of the fields for which ``_next_to`` computes none."""


def refuse_varied(name: str, recipe: Recipe, given: Collection[str]) -> None:
    """Raise ValueError if a value that the user has set has no effect on any arm.

    The arms are computed for the value and for those next to it. If the arms are the same, the
    experiment varies this field, or limits it to another value.

    Args:
        name: the experiment's name.
        recipe: the user's hyper-parameters.
        given: the fields that the user has set explicitly.

    Raises:
        ValueError: a field has no effect, no experiment has this name, or an arm does not allow a
            value.
    """
    arms = _arms(name, recipe)
    for field in given:
        changed = []
        for value in _next_to(recipe, field):
            with contextlib.suppress(ValueError):  # this value is out of range
                changed.append(_arms(name, replace(recipe, **{field: value})))
        if changed and all(other == arms for other in changed):
            values = list(dict.fromkeys(_text(getattr(arm.recipe, field)) for arm in arms))
            shown = ", ".join(values[:5]) + (", …" if len(values) > 5 else "")
            raise ValueError(f"{field} must be left out: {name} sets it itself, to {shown}")


def _arms(name: str, recipe: Recipe) -> list[Arm]:
    """The arms without their names, and without settings that have no effect."""
    arms = find_experiment(name).arms(Setting(recipe, NUM_IMAGES, ["numpy"]))
    return [replace(arm, name="", recipe=_effective(arm.recipe)) for arm in arms]


def _effective(recipe: Recipe) -> Recipe:
    """``recipe`` with the default for each setting of a noise that it does not have."""
    if recipe.noise == "none" or recipe.dropout == (0, 0):
        recipe = replace(recipe, noise="none", dropout=(0, 0))
        if recipe.input_dropout == 0:
            recipe = replace(recipe, schedule="constant")
    return recipe


def _next_to(recipe: Recipe, field: str) -> Iterator[Any]:
    """Other values of a field; some may be out of range."""
    value = getattr(recipe, field)
    choices = next(each.metadata["choices"] for each in fields(Recipe) if each.name == field)
    if choices or field in OTHERS:
        yield from (other for other in choices or OTHERS[field] if other != value)
    if isinstance(value, tuple):
        for sign in (-1, 1):
            yield tuple(_moved(each, sign) for each in value)
    elif isinstance(value, (int, float)):
        yield from (_moved(value, -1), _moved(value, 1))


def _moved(value: float, sign: int) -> float:
    """A number a little below or above ``value``."""
    return value + sign * (1 if isinstance(value, int) else max(abs(value) / 1000, 1e-6))


def _text(value: Any) -> str:
    return "/".join(f"{each:g}" for each in value) if isinstance(value, tuple) else str(value)
