"""What a resumed comparison keeps of its earlier summary."""

from __future__ import annotations

import math
from typing import Any

import pytest

from d2ldrop import Recipe
from d2ldrop.comparison.checks import plan_checks
from d2ldrop.comparison.kept_results import KeptResults, installed_versions, kept_results
from d2ldrop.comparison.kept_results import versions_of_checks as versions
from d2ldrop.comparison.lockstep import Lockstep
from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.rows import row_of_run
from d2ldrop.training.quantities import Quantity

NUMPY, TORCH = Variant("numpy"), Variant("torch")
CHECKS = plan_checks(Recipe(dtype="float64"), [NUMPY, TORCH], 5, 20)
EPOCH = {"seconds": 1.0, "train_loss": 2.0, "train_accuracy": 0.5, "test_accuracy": 0.5}


def result(digest: str | None) -> dict[str, Any]:
    """The part of a ``result.json`` that a summary needs."""
    return {"framework_version": "1", "peak_rss_bytes": 1, "epochs": [EPOCH], "digest": digest}


RESULTS = {NUMPY: [result("a")], TORCH: [result("b")]}


def summary(**changes: Any) -> dict[str, Any]:
    """A finished summary of CHECKS."""
    lockstep = [
        Lockstep(
            check.what,
            check.num_steps,
            ("numpy", "torch"),
            1e-14,
            {"numpy": 0.0, "torch": 2e-14},
            {"numpy": None, "torch": None},
            quantities={"loss": Quantity(1e-15, 1e-13, {"numpy": 0.0, "torch": 3e-14})},
            differs_first={"numpy": None, "torch": None},
        ).to_dict()
        for check in CHECKS
    ]
    rows = {variant.name: row_of_run(one) for variant, (one,) in RESULTS.items()}
    return {**versions(), "backends": rows, "lockstep": lockstep, **changes}


def test_everything_is_kept() -> None:
    kept = kept_results(summary(), CHECKS, RESULTS)
    assert set(kept.rows) == {NUMPY, TORCH}
    assert kept.checks_to_do(CHECKS) == []
    assert [one.to_dict() for one in kept.combined(CHECKS, {})] == summary()["lockstep"]


def test_without_a_summary_nothing_is_kept() -> None:
    assert kept_results(None, CHECKS, RESULTS) == KeptResults()


@pytest.mark.parametrize("name", ["numpy_version", "d2ldrop_version"])
def test_checks_of_other_versions_are_measured_again(name: str) -> None:
    assert kept_results(summary(**{name: "0.1"}), CHECKS, RESULTS) == KeptResults()


@pytest.mark.parametrize("digest", ["c", None])
def test_a_changed_run_is_measured_again(digest: str | None) -> None:
    kept = kept_results(summary(), CHECKS, {**RESULTS, TORCH: [result(digest)]})
    assert set(kept.rows) == {NUMPY}
    assert kept.checks_to_do(CHECKS) == CHECKS
    assert kept.lockstep["first steps"].differences == {"numpy": 0.0}


def test_a_check_without_the_row_is_measured() -> None:
    earlier = summary()
    del earlier["lockstep"][1]["differs_first"]["torch"]
    assert set(kept_results(earlier, CHECKS, RESULTS).rows) == {NUMPY}


def test_a_summary_that_compares_only_weights_is_measured_again() -> None:
    earlier = summary()
    for check in earlier["lockstep"]:
        del check["quantities"], check["differs_first"]
    assert kept_results(earlier, CHECKS, RESULTS) == KeptResults()


def test_where_a_row_differs_first_is_kept() -> None:
    earlier = summary()
    earlier["lockstep"][1]["differs_first"]["torch"] = "differs first at step 3 in b3 by 1e-8"
    found = kept_results(earlier, CHECKS, RESULTS).lockstep["whole run"]
    assert found.differs_first["torch"] == "differs first at step 3 in b3 by 1e-8"
    assert not found.holds("torch")


def test_a_check_of_other_steps_is_measured() -> None:
    others = plan_checks(Recipe(dtype="float64"), [NUMPY, TORCH], 6, 20)
    assert kept_results(summary(), others, RESULTS) == KeptResults()


def test_a_check_in_which_numpy_diverged_is_measured() -> None:
    earlier = summary()
    earlier["lockstep"][0]["yardstick"] = None
    assert kept_results(earlier, CHECKS, RESULTS) == KeptResults()


def test_a_row_that_diverged_alone_stays_apart() -> None:
    earlier = summary()
    earlier["lockstep"][0]["difference"]["torch"] = None
    earlier["lockstep"][0]["diverged_after"]["torch"] = 3
    found = kept_results(earlier, CHECKS, RESULTS).lockstep["first steps"]
    assert math.isnan(found.differences["torch"])
    assert found.diverged_after["torch"] == 3
    assert not found.holds("torch")


def test_a_new_row_joins_the_kept_ones() -> None:
    kept = kept_results(summary(), CHECKS, {NUMPY: RESULTS[NUMPY]})
    again = {
        check.what: Lockstep(
            *(check.what, check.num_steps, ("numpy", "torch"), 1e-14),
            quantities={"loss": Quantity(1e-15, 1e-13)},
        )
        for check in CHECKS
    }
    assert not kept.contradicts(again)
    combined = kept.combined(CHECKS, again)
    assert [one.differences for one in combined] == [{"numpy": 0.0}] * 2
    assert [one.quantities["loss"].differences for one in combined] == [{"numpy": 0.0}] * 2


def test_another_yardstick_contradicts() -> None:
    kept = kept_results(summary(), CHECKS, {NUMPY: RESULTS[NUMPY]})
    assert kept.contradicts({"first steps": Lockstep("first steps", 5, ("numpy",), 2e-14)})


def test_the_version_of_a_framework_is_known_before_its_import() -> None:
    assert installed_versions("numpy") == [versions()["numpy_version"]]
    assert installed_versions("no_such_framework") == []
