"""The yardstick of each quantity, and the place of the first difference."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from d2ldrop.training.observed import Observed
from d2ldrop.training.quantities import Reference

NAN = float("nan")


def seen(**changes: Any) -> Observed:
    """Three steps; NumPy's rounding grows a hundredfold between the first and the last."""
    values = {
        "loss": [2.0, 1.5, 1.0],
        "logits/1": [[0.1, 0.2]],
        "W1/1": [[0.5]],
        "b1/1": [0.25],
        "W1/3": [[0.75]],
        "b1/3": [0.5],
        "predictions": [[3.0, -4.0]],
    }
    return {name: np.array(value) for name, value in {**values, **changes}.items()}


NUMPY = Reference(
    seen(), [seen(), seen(**{"loss": [2.0, 1.5, 1 + 1e-10], "W1/3": [[0.75 + 1e-12]]})]
)


def changed(place: str, by: float) -> Observed:
    """What a training shows that differs at one place."""
    name, _, index = place.partition("#")
    found = seen()
    found[name].reshape(-1)[int(index or 0)] += by
    return found


def test_each_quantity_has_its_yardstick() -> None:
    found = NUMPY.quantities()
    assert list(found) == ["logits", "loss", "weights", "predictions"]
    assert found["loss"].yardstick == pytest.approx(1e-10, rel=1e-5)
    assert found["loss"].limit == pytest.approx(1e-9, rel=1e-3)
    assert found["weights"].limit == pytest.approx(1e-11, rel=2e-2)
    assert found["logits"].limit == pytest.approx(1e-13)
    assert found["predictions"].limit == pytest.approx(4e-13)  # ten roundings of 4


def test_the_largest_difference_of_each_quantity() -> None:
    found = NUMPY.differences(changed("predictions#1", 0.5))
    assert found == {"logits": 0, "loss": 0, "weights": 0, "predictions": 0.5}
    assert np.isnan(NUMPY.differences(changed("loss", NAN))["loss"])
    without = seen()
    del without["b1/3"]
    assert np.isnan(NUMPY.differences(without)["weights"])


@pytest.mark.parametrize(
    ("place", "by", "sentence"),
    [
        ("loss#0", 1.1441, "first at step 1 in the loss by 1.1"),
        ("loss#2", 1.1e-9, "first at step 3 in the loss by 1.1e-09 (float32?)"),
        ("loss#1", 1e-12, "first at step 2 in the loss by 1e-12"),  # too early for so much
        ("logits/1#1", 1e-8, "first at step 1 in the logits by 1e-08 (float32?)"),
        ("b1/1", 1e-8, "first at step 1 in b1 by 1e-08 (float32?)"),
        ("W1/3", 1e-5, "first at step 3 in W1 by 1e-05"),
        ("predictions", -0.3, "in the predictions on test images by 0.3"),
        ("loss#1", NAN, "first at step 2 in the loss: a number is not finite"),
        ("W1/1", np.inf, "first at step 1 in W1: a number is not finite"),
    ],
)
def test_where_a_training_differs_first(place: str, by: float, sentence: str) -> None:
    found = NUMPY.first_difference(changed(place, by))
    assert found
    assert found.sentence == f"differs {sentence}"


@pytest.mark.parametrize(
    ("place", "by"),
    [("loss#2", 0.9e-9), ("W1/3", 0.9e-11), ("logits/1", 0.9e-13), ("predictions", 3e-13)],
)
def test_what_is_within_the_limits_differs_nowhere(place: str, by: float) -> None:
    assert NUMPY.first_difference(changed(place, by)) is None


def test_the_parameter_that_differs_most_is_named() -> None:
    found = changed("W1/1", 1e-9)
    found["b1/1"] += 1e-3
    first = NUMPY.first_difference(found)
    assert first
    assert first.sentence == "differs first at step 1 in b1 by 0.001"


@pytest.mark.parametrize(("wrong", "apart"), [(1, False), (2, False), (3, True), (4, True)])
def test_two_test_images_may_be_at_a_tie(wrong: int, apart: bool) -> None:
    right = np.ones(100)
    reference = Reference({"right": right}, [{"right": right}])
    found = {"right": np.array([1 - wrong / 100])}
    quantity = reference.quantities()["test accuracy"]
    assert (reference.differences(found)["test accuracy"] > quantity.limit) is apart
    assert (reference.first_difference(found) is not None) is apart


def test_a_nudged_run_that_diverged_allows_much_but_no_fault() -> None:
    diverged = {"loss": np.array([2.0])}
    found = Reference(seen(), [diverged]).quantities()
    assert found["loss"].yardstick == np.inf
    assert (found["weights"].limit, found["loss"].limit) == (1e-8, 2e-6)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("W1 of different shapes: (2, 1) and (1, 1)")):
        NUMPY.differences(seen(**{"W1/1": [[0.5], [0.5]]}))
