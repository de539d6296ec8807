"""A running comparison: its jobs, one worker process after another, and its summary."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from d2ldrop.comparison.checks import Check
from d2ldrop.comparison.conformity import Conformity
from d2ldrop.comparison.kept_results import KeptResults, versions_of_checks
from d2ldrop.comparison.lockstep import REFERENCE, WHOLE_RUN, Lockstep
from d2ldrop.comparison.lockstep_jobs import VariantJob, first_steps_job, reference_job
from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.request import SPEED_DTYPE, Request
from d2ldrop.comparison.rows import diverged_unlike_numpy, row_of_failure, row_of_run
from d2ldrop.comparison.settings import not_applied
from d2ldrop.core.machine import machine
from d2ldrop.data import Dataset
from d2ldrop.processes.jobs import Job
from d2ldrop.processes.launcher import run_job
from d2ldrop.processes.shared_data import SharedData


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a comparison; ``summary`` contains the finished runs."""

    def __init__(self, summary: dict[str, Any]) -> None:
        super().__init__()
        self.summary = summary


@dataclass
class Comparison:
    """A running comparison: its arguments, and its results so far.

    Attributes:
        asked: its arguments.
        data: the images.
        shared: the same images, in a form that workers can read.
        scratch: a folder for the weights of the lockstep checks.
        checks: the lockstep checks.
        left_out: the backends that are missing here, and how to install each.
        kept: what an earlier summary has measured already.
        rows: each variant's entry in the summary.
        speed_rows: the entries of the runs in float32 that have finished.
        lockstep: the results of ``checks``; only kept ones if NumPy's reference run failed.
        problem: why the reference run failed, if it did.
    """

    asked: Request
    data: Dataset
    shared: SharedData
    scratch: Path
    checks: list[Check]
    left_out: dict[str, str]
    kept: KeptResults
    rows: dict[Variant, dict[str, Any]] = field(default_factory=dict)
    speed_rows: dict[Variant, dict[str, Any]] = field(default_factory=dict)
    lockstep: list[Lockstep] = field(default_factory=list)
    problem: str | None = None

    def __post_init__(self) -> None:
        self.conformity = Conformity(self.asked.check)

    def run(self, variants: Sequence[Variant]) -> dict[str, Any]:
        """Run the reference and every variant; write the summary and return it.

        The summary is also written before and after each variant.

        Raises:
            Interrupted: Ctrl-C; the summary is written.
        """
        not_run = {variant: {"status": "not run"} for variant in variants}
        self.rows = {**not_run, **self.kept.rows}
        self.speed_rows = dict(self.kept.speed_rows)
        self.lockstep = list(self.kept.lockstep.values())
        try:
            self.asked.on_summary(self.asked.folder.write(self._summary()))
            if REFERENCE in variants and REFERENCE not in self.kept.rows:
                self._train(REFERENCE)
                self._take_as_reference()
            self._run_reference()
            for variant in variants:
                if variant in self.kept.rows:
                    continue
                if self.rows[variant]["status"] == "not run":
                    self._train(variant)
                if self.rows[variant]["status"] == "ok":
                    self._measure(variant)
                with suppress(OSError):  # the last write reports a full disk
                    self.asked.on_summary(self.asked.folder.write(self._summary()))
        except KeyboardInterrupt:
            raise Interrupted(self._write_last_summary()) from None
        return self._write_last_summary()

    def _train(self, variant: Variant) -> None:
        self.rows[variant] = {"status": "interrupted"}
        self.rows[variant] = self._run_variant(variant)

    def _take_as_reference(self) -> None:
        """Make NumPy's own run, if it is whole, the reference of the whole run."""
        own = self.asked.folder.backend(REFERENCE.name)
        if self.rows[REFERENCE]["status"] != "ok":
            return
        try:
            own.read()
        except (OSError, ValueError) as error:
            self.rows[REFERENCE] = self._failed(REFERENCE, error)
        else:
            self.checks = [
                replace(check, numpys_run=own.path) if check.what == WHOLE_RUN else check
                for check in self.checks
            ]

    def _run_reference(self) -> None:
        """Measure the yardsticks of the checks that are not kept."""
        try:
            found = self._yardsticks(self.kept.checks_to_do(self.checks))
            if self.kept.contradicts(found):  # NumPy computes differently here than then
                self.kept = KeptResults()
                self.rows = {variant: {"status": "not run"} for variant in self.rows}
                found = self._yardsticks(self.checks)
            self.lockstep = self.kept.combined(self.checks, found)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, other rows go on
            self.problem = f"NumPy's reference run failed: {row_of_failure(error)['error']}"

    def _yardsticks(self, checks: Sequence[Check]) -> dict[str, Lockstep]:
        """Take NumPy's own steps of ``checks``; return their yardsticks by ``Check.what``."""
        if not checks:
            return {}
        job = reference_job(checks, self.shared, self.scratch)
        self._run_job(job, job.backend, self.asked.folder.path / "lockstep.log")
        return {check.what: check.measure_yardstick(self.scratch) for check in checks}

    def _run_variant(self, variant: Variant) -> dict[str, Any]:
        """Let a worker do the variant's runs and the steps of its lockstep checks."""
        asked, planned = self.asked, self.asked.planned_run(variant)
        speed = asked.speed_run(variant)
        job = VariantJob(
            variant.backend,
            planned.job(self.shared, resume=asked.resume),
            first_steps_job(
                variant, self.checks, self.shared, self.scratch, planned.options.device
            ),
            speed.job(self.shared, resume=asked.resume) if speed else None,
        )
        try:
            self.conformity.require(
                variant.backend,
                planned.options,
                planned.folder.log,
                lambda event: asked.on_event(variant.name, event),
            )
            self._run_job(job, variant.name, planned.folder.log)
            if speed:
                self.speed_rows[variant] = row_of_run(speed.read_result(self.data))
            return row_of_run(planned.read_result(self.data))
        except Exception as error:  # noqa: BLE001 - whatever is wrong, other rows go on
            return self._failed(variant, error)

    def _measure(self, variant: Variant) -> None:
        """Measure how far the variant is from NumPy in each of its checks."""
        trained = self.asked.folder.backend(variant.name).path
        measured = {one.what: one for one in self.lockstep}
        try:
            for check in self.checks:
                found = measured.get(check.what)  # None: no reference
                if found and variant in check.variants:
                    check.measure(found, self.scratch, variant, trained)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, other rows go on
            self.rows[variant] = self._failed(variant, error)

    def _failed(self, variant: Variant, error: Exception) -> dict[str, Any]:
        """Report that the variant failed, and return its entry."""
        row = row_of_failure(error)
        self.asked.on_event(variant.name, {"event": "failed", "message": row["error"]})
        return row

    def _run_job(self, job: Job, name: str, log: Path) -> None:
        asked = self.asked
        options = asked.each.get(job.backend, asked.options)  # NumPy need not have a row
        run_job(job, options, lambda event: asked.on_event(name, event), log=log)

    def _write_last_summary(self) -> dict[str, Any]:
        """Write the summary and return it, even if the disk is full."""
        summary = self._summary()
        try:
            return self.asked.folder.write(summary)
        except OSError as error:
            warnings.warn(f"the summary is not saved: {error}", stacklevel=2)
            return {**summary, "ok": False}

    def _summary(self) -> dict[str, Any]:
        folder = self.asked.folder
        rows = _by_name(self.rows)
        unlike = diverged_unlike_numpy(rows, self.asked.recipe)
        in_lockstep = not (unlike or self.problem or not self.lockstep) and all(
            check.holds(variant) for check in self.lockstep for variant in check.variants
        )
        return {
            "name": folder.path.name,
            "folder": str(folder.path),
            **versions_of_checks(),
            "machine": machine(),
            **self.asked.identity(self.data),
            "backends": rows,
            "speed": self._speed(),
            "left_out": self.left_out,
            "conformance": self.conformity.states(variant.backend for variant in self.rows),
            "not_applied": not_applied(self.asked.options, self.asked.each),
            "lockstep": [check.to_dict() for check in self.lockstep],
            "problem": self.problem,
            "diverged_unlike_numpy": unlike,
            "ok": in_lockstep and all(row["status"] == "ok" for row in rows.values()),
        }

    def _speed(self) -> dict[str, Any] | None:
        """The summary's part about the runs in float32."""
        asked = self.asked
        if not asked.speed_epochs:
            return None
        return {
            "dtype": SPEED_DTYPE,
            "num_epochs": min(asked.speed_epochs, asked.recipe.num_epochs),
            "backends": _by_name(self.speed_rows),
        }


def _by_name(rows: Mapping[Variant, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {variant.name: row for variant, row in rows.items()}
