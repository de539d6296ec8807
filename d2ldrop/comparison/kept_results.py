"""What a resumed comparison keeps of an earlier summary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import packages_distributions, version
from typing import Any

import numpy as np

from d2ldrop.comparison.checks import Check
from d2ldrop.comparison.lockstep import Lockstep
from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.rows import row_of_run
from d2ldrop.training.quantities import Quantity
from d2ldrop.version import __version__


def versions_of_checks() -> dict[str, str]:
    """The versions that decide NumPy's reference weights."""
    return {"d2ldrop_version": __version__, "numpy_version": np.__version__}


@dataclass
class KeptResults:
    """What an earlier summary has measured already.

    Attributes:
        rows: the entries of the variants that have nothing left to do.
        speed_rows: the entries of their runs in float32, if they have one.
        lockstep: the checks with the differences of these variants, by ``Check.what``.
    """

    rows: dict[Variant, dict[str, Any]] = field(default_factory=dict)
    speed_rows: dict[Variant, dict[str, Any]] = field(default_factory=dict)
    lockstep: dict[str, Lockstep] = field(default_factory=dict)

    def checks_to_do(self, checks: Sequence[Check]) -> list[Check]:
        """The checks that have a variant without a kept result."""
        return [check for check in checks if not set(check.variants) <= self.rows.keys()]

    def contradicts(self, found: Mapping[str, Lockstep]) -> bool:
        """Whether a yardstick that was measured again differs from the kept one."""
        again = found.keys() & self.lockstep.keys()
        return any(found[what].yardstick != self.lockstep[what].yardstick for what in again)

    def combined(self, checks: Sequence[Check], found: Mapping[str, Lockstep]) -> list[Lockstep]:
        """Each check as it was just ``found`` or is kept, with all kept differences."""
        for what in found.keys() & self.lockstep.keys():
            found[what].differences.update(self.lockstep[what].differences)
            found[what].diverged_after.update(self.lockstep[what].diverged_after)
            found[what].differs_first.update(self.lockstep[what].differs_first)
            for name, quantity in self.lockstep[what].quantities.items():
                found[what].quantities[name].differences.update(quantity.differences)
        return [{**self.lockstep, **found}[check.what] for check in checks]


def kept_results(
    summary: Mapping[str, Any] | None,
    checks: Sequence[Check],
    results: Mapping[Variant, Sequence[dict[str, Any]]],
) -> KeptResults:
    """The results of an earlier summary that are still true.

    A variant keeps its results if its run is the same as then, and if all its checks were measured
    with the same versions. A check in which NumPy diverged is measured again.

    Args:
        summary: the content of ``summary.json``, or None.
        checks: the checks of the resumed comparison.
        results: the content of ``result.json`` of each finished run, and then that of its run in
            float32, if it has one.
    """
    kept = KeptResults()
    now = versions_of_checks()
    if summary is None or any(summary.get(name) != value for name, value in now.items()):
        return kept
    measured = {(one["what"], one["steps"]): one for one in summary["lockstep"]}
    for variant, (result, *speed) in results.items():
        own = [check for check in checks if variant in check.variants]
        found = [measured.get((check.what, check.num_steps), {}) for check in own]
        row = summary["backends"].get(variant.name, {})
        same_run = result.get("digest") and row.get("result_digest") == result["digest"]
        if same_run and row["status"] == "ok" and all(_has(one, variant) for one in found):
            kept.rows[variant] = row_of_run(result)
            if speed:
                kept.speed_rows[variant] = row_of_run(speed[0])
            for check, one in zip(own, found, strict=True):
                _keep(kept.lockstep, check, one, variant.name)
    return kept


def _has(check: Mapping[str, Any], variant: Variant) -> bool:
    """Whether a check of the earlier summary has a yardstick and the variant's differences.

    An older summary compares only weights.
    """
    yardstick = check.get("yardstick")
    return isinstance(yardstick, float) and variant.name in check.get("differs_first", {})


def _keep(lockstep: dict[str, Lockstep], check: Check, one: Mapping[str, Any], name: str) -> None:
    names = tuple(variant.name for variant in check.variants)
    found = Lockstep(check.what, check.num_steps, names, one["yardstick"])
    found = lockstep.setdefault(check.what, found)
    found.differences[name] = _number(one["difference"][name])
    found.diverged_after[name] = one["diverged_after"][name]
    found.differs_first[name] = one["differs_first"][name]
    for what, values in one["quantities"].items():
        quantity = found.quantities.setdefault(what, Quantity(values["yardstick"], values["limit"]))
        quantity.differences[name] = _number(values["difference"].get(name))


def _number(value: float | None) -> float:
    """``value``, or NaN if it is None: JSON stores NaN as null."""
    return math.nan if value is None else value


def installed_versions(framework: str) -> list[str]:
    """The versions of the packages that contain a framework, found without importing it."""
    return [version(package) for package in packages_distributions().get(framework, [])]
