"""The comparison: every variant runs the same recipe, one worker process after another.

The result is ``out/name/summary.json``, beside the folders of the variants.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from d2ldrop.comparison.conformity import Conformity
from d2ldrop.comparison.kept_results import KeptResults, versions_of_checks
from d2ldrop.comparison.lockstep import Check, Lockstep, plan_checks
from d2ldrop.comparison.lockstep_jobs import first_steps_job, reference_job
from d2ldrop.comparison.plan import Variant, missing_backends, plan_variants
from d2ldrop.comparison.request import OnVariantEvent, Request, ignore_event
from d2ldrop.comparison.rows import diverged_unlike_numpy, row_of_failure, row_of_run
from d2ldrop.comparison.settings import not_applied, settle
from d2ldrop.conformance.job import check_requirements
from d2ldrop.core.checks import check_positive
from d2ldrop.core.machine import machine
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset, DataSource, as_dataset
from d2ldrop.processes.jobs import Job
from d2ldrop.processes.launcher import run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.scratch import scratch_folder
from d2ldrop.processes.shared_data import SharedData, shared_data
from d2ldrop.training.divergence import check_on_divergence
from d2ldrop.training.folder import NamedFolder
from d2ldrop.training.layer_statistics import check_record


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a comparison; ``summary`` contains the finished runs."""

    def __init__(self, summary: dict[str, Any]) -> None:
        super().__init__()
        self.summary = summary


def compare_backends(
    backends: Sequence[str] | None = None,
    recipe: Recipe | None = None,
    *,
    implementation: str | None = None,
    data: Dataset | DataSource | str = "auto",
    device: str = "cpu",
    name: str | None = None,
    out: Path | str = "runs",
    lockstep_steps: int = 100,
    timeout: float = 300,
    pythons: Mapping[str, str] | None = None,
    resume: bool = False,
    record: Sequence[str] = (),
    on_divergence: str = "continue",
    threads: int | None = None,
    execution: str = "default",
    check: bool = False,
    on_event: OnVariantEvent = ignore_event,
) -> dict[str, Any]:
    """Train the same recipe on several frameworks, each in its own process, one after another.

    Before its training, each variant takes ``lockstep_steps`` steps in float64. Its weights,
    losses, logits and predictions are compared with NumPy's. A short training shows faults that the
    recipe may hide, and the layer's own masks are checked. In float64 with shared masks, the
    weights, the losses and the test accuracy of the whole run are compared, too. Concise versions
    draw their own masks, so they are compared without noise.

    Args:
        backends: names; if not given, all backends that are installed or in ``pythons``.
        recipe: the hyper-parameters; the book's if not given.
        implementation: "scratch" (the default), "concise" (as in ``train``) or "both".
        data: a Dataset, a DataSource, or the name of a dataset ("auto", "fashion-mnist",
            "stand-in"). Images are loaded after all arguments are checked.
        device: "cpu", "gpu" or "gpu:N".
        name: the folder under ``out``; the current time if not given.
        out: the folder of all runs.
        lockstep_steps: the number of steps of the first lockstep check.
        timeout: seconds without a report after which a worker counts as hung.
        pythons: for each backend in another environment, its Python interpreter.
        resume: continue the run ``name``: keep finished runs, continue interrupted ones, and add
            those that ``backends`` or ``implementation`` request.
        record: additional statistics of each run, as in ``train``.
        on_divergence: "continue" or "stop" when a run diverges, as in ``train``.
        threads: threads of each framework's pools (see ``WorkerOptions``).
        execution: "default", or "fast" for a framework that has it.
        check: run the levels L0 to L2 of the conformance suite on each backend first. A backend
            that fails is not trained: its entry says why.
        on_event: called with each report of a worker (see ``OnVariantEvent``).

    Returns:
        The content of ``summary.json``; ``ok`` is True if all variants ran and are in lockstep,
        which includes that they diverge if and only if NumPy does. If a worker fails, its entry
        says so; no exception is raised.

    Raises:
        ValueError, TypeError, ImportError, DataError: a bad argument; no work has started.
        FileExistsError: the run exists already, and ``resume`` is False.
        FolderInUseError: another process works in the folder.
        Interrupted: Ctrl-C. Finished runs are kept, and the exception's ``summary`` lists them.
    """
    recipe = Recipe() if recipe is None else recipe
    options = WorkerOptions(device, threads, execution, timeout, pythons or {})
    record, on_divergence = check_record(record), check_on_divergence(on_divergence)
    check_positive(lockstep_steps, "lockstep_steps")
    if check:
        check_requirements()
    source = DataSource(data) if isinstance(data, str) else data
    with NamedFolder.claim("comparison", out, name, resume=resume) as folder:
        variants = plan_variants(folder.read(), backends, recipe, implementation, options)
        asked = Request(folder, recipe, record, on_divergence, options, resume, check, on_event)
        folder.refuse_other(asked.identity(None))
        names = list(dict.fromkeys(variant.backend for variant in variants))
        asked = replace(asked, each=settle(names, options))
        asked.refuse_other_runs(variants)
        dataset = as_dataset(source)
        asked.refuse_other_runs(variants, dataset)
        whole = recipe.num_epochs * -(-len(dataset.train_images) // recipe.batch_size)
        checks = plan_checks(recipe, variants, lockstep_steps, whole)
        left_out = {} if backends else missing_backends(variants, folder.read())
        with shared_data(dataset) as shared, scratch_folder() as scratch:
            kept = asked.kept(variants, checks)
            comparison = Comparison(asked, dataset, shared, scratch, checks, left_out, kept)
            return comparison.run(variants)


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
        self.lockstep = list(self.kept.lockstep.values())
        folder = self.asked.folder
        try:
            folder.write(self._summary())
            self._run_reference()
            for variant in variants:
                if variant in self.kept.rows:
                    continue
                self.rows[variant] = {"status": "interrupted"}
                self.rows[variant] = self._run_variant(variant)
                if self.rows[variant]["status"] == "ok":
                    self._measure(variant)
                with suppress(OSError):  # the last write reports a full disk
                    folder.write(self._summary())
        except KeyboardInterrupt:
            raise Interrupted(self._write_last_summary()) from None
        return self._write_last_summary()

    def _run_reference(self) -> None:
        """Measure the yardsticks of the checks that are not kept."""
        try:
            found = self._yardsticks(self.kept.checks_to_do(self.checks))
            if self.kept.contradicts(found):  # NumPy computes differently here than then
                self.kept = KeptResults()
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
        """Run the variant's checks, lockstep steps and training, each in a worker."""
        asked, planned = self.asked, self.asked.planned_run(variant)
        device = planned.options.device
        steps = first_steps_job(variant, self.checks, self.shared, self.scratch, device)
        training = planned.job(self.shared, resume=asked.resume)
        try:
            self.conformity.require(
                variant.backend,
                planned.options,
                planned.folder.log,
                lambda event: asked.on_event(variant.name, event),
            )
            for job in (steps, training):
                self._run_job(job, variant.name, planned.folder.log)
            return row_of_run(planned.read_result(self.data))
        except Exception as error:  # noqa: BLE001 - whatever is wrong, other rows go on
            return self._failed(variant, error)

    def _measure(self, variant: Variant) -> None:
        """Measure how far the variant is from NumPy in each of its checks."""
        trained = self.asked.folder.backend(variant.name).weights
        diverged = self.rows[variant]["diverged_after"]
        measured = {one.what: one for one in self.lockstep}
        try:
            for check in self.checks:
                found = measured.get(check.what)  # None: no reference
                if found and variant in check.variants:
                    check.measure(found, self.scratch, variant, trained, diverged)
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
        rows = {variant.name: row for variant, row in self.rows.items()}
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
            "left_out": self.left_out,
            "conformance": self.conformity.states(variant.backend for variant in self.rows),
            "not_applied": not_applied(self.asked.options, self.asked.each),
            "lockstep": [check.to_dict() for check in self.lockstep],
            "problem": self.problem,
            "diverged_unlike_numpy": unlike,
            "ok": in_lockstep and all(row["status"] == "ok" for row in rows.values()),
        }
