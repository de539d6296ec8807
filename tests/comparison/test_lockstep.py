"""The lockstep checks: which checks a recipe has, and when a backend is in lockstep."""

from __future__ import annotations

import numpy as np
import pytest

from d2ldrop import Recipe
from d2ldrop.comparison.checks import plan_checks
from d2ldrop.comparison.lockstep import Lockstep, largest_difference, yardstick
from d2ldrop.comparison.plan import Variant


def weights(*values: float) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    return {"W1": np.array(values), "b1": np.zeros(1)}


def test_the_largest_difference_is_that_of_any_weight() -> None:
    assert largest_difference(weights(1, 2), weights(1.5, 1)) == 1
    assert largest_difference(weights(1, 2), weights(1, 2)) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_never_in_lockstep(bad: float) -> None:
    assert np.isnan(largest_difference(weights(bad, 2), weights(bad, 2)))
    assert np.isnan(largest_difference(weights(1, bad), weights(1, 2)))
    assert not Lockstep("first steps", 1, ("torch",), 1.0, {"torch": float("nan")}).holds("torch")


def test_weights_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="weights of different shapes"):
        largest_difference(weights(1, 2), weights(1))


def test_the_yardstick_is_the_largest_difference_of_a_nudge_plus_a_floor() -> None:
    moved = [weights(1, 2), weights(1 + 1e-12, 2), weights(1, 2 - 3e-12)]
    assert yardstick(weights(1, 2), moved) == pytest.approx(3e-12 + 1e-14, rel=1e-3)
    assert yardstick(weights(1, 2), [weights(1, 2)]) == 1e-14
    assert np.isnan(yardstick(weights(1, 2), [weights(1, 2), weights(np.nan, 2)]))


@pytest.mark.parametrize(
    ("yard", "difference", "holds"),
    [
        (1e-12, 1e-11, True),
        (1e-12, 1.1e-11, False),
        (1e-6, 1e-8, True),  # a genuine fault must show even if rounding grows
        (1e-6, 1.1e-8, False),
        (float("nan"), 0.0, False),
    ],
)
def test_the_limit_is_ten_times_the_yardstick_and_at_most_1e_8(
    yard: float, difference: float, holds: bool
) -> None:
    assert (
        Lockstep("first steps", 100, ("torch",), yard, {"torch": difference}).holds("torch")
        is holds
    )


def test_a_backend_that_was_not_measured_is_not_in_lockstep() -> None:
    assert not Lockstep("first steps", 100, ("torch",), 1.0, {}).holds("torch")


def test_every_recipe_from_scratch_has_two_checks() -> None:
    """This includes recipes that the concise version cannot train."""
    for recipe in (
        Recipe(dtype="float64", scaling="original"),
        Recipe(dtype="float64", noise="gaussian"),
        Recipe(dtype="float64", input_dropout=0.2),
        Recipe(dtype="float64", weight_decay=1e-3, max_norm=2.0),
    ):
        checks = plan_checks(recipe, [Variant("numpy")], 10, 20)
        assert [(check.what, check.recipe) for check in checks] == [
            ("first steps", recipe),
            ("whole run", recipe),
        ]


def test_where_a_training_differs_elsewhere_it_is_not_in_lockstep() -> None:
    same = {"torch": 0.0}
    assert Lockstep("first steps", 100, ("torch",), 1e-14, same).holds("torch")
    differs = {"torch": "differs first at step 1 in the loss by 1.1"}
    check = Lockstep("first steps", 100, ("torch",), 1e-14, same, differs_first={**differs})
    assert not check.holds("torch")
    assert check.to_dict()["in_lockstep"] == {"torch": False}
    assert check.to_dict()["differs_first"] == differs


def test_concise_variants_are_compared_without_noise() -> None:
    variants = [Variant("numpy"), Variant("numpy", "concise")]
    first, quiet = plan_checks(Recipe(noise="unit"), variants, 10, 20)
    assert (first.what, first.variants, first.recipe.noise) == (
        "first steps", (Variant("numpy"),), "unit",
    )  # fmt: skip
    assert (quiet.what, quiet.variants, quiet.recipe.noise) == (
        "first steps without noise", (Variant("numpy", "concise"),), "none",
    )  # fmt: skip
    assert first.recipe.dtype == quiet.recipe.dtype == "float64"
