"""The comparison: every variant runs the same recipe, one worker process after another.

The result is ``out/name/summary.json``, beside the folders of the variants.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from d2ldrop.comparison.lockstep import (
    Check,
    Lockstep,
    first_steps_job,
    plan_checks,
    reference_job,
)
from d2ldrop.comparison.plan import Variant, missing_backends, plan_variants
from d2ldrop.comparison.rows import row_of_failure, row_of_run
from d2ldrop.core.checks import check_positive
from d2ldrop.core.machine import machine
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset, DataSource, as_dataset
from d2ldrop.processes.jobs import Job
from d2ldrop.processes.launcher import Event, run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.planned_run import PlannedRun
from d2ldrop.processes.scratch import scratch_folder
from d2ldrop.processes.shared_data import SharedData, shared_data
from d2ldrop.training.folder import NamedFolder
from d2ldrop.training.implementations import recipe_for
from d2ldrop.training.layer_statistics import check_record
from d2ldrop.training.saved_run import FORMAT
from d2ldrop.version import __version__

OnVariantEvent = Callable[[str, Event], None]
"""Called with a variant's name, "torch" or "torch-concise", and a report of its worker."""


def ignore_event(name: str, event: Event) -> None:
    """Do nothing: the default of ``on_event``."""


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
    threads: int | None = None,
    execution: str = "default",
    on_event: OnVariantEvent = ignore_event,
) -> dict[str, Any]:
    """Train the same recipe on several frameworks, each in its own process, one after another.

    Before its training, each variant takes ``lockstep_steps`` steps in float64, and its weights are
    compared with NumPy's. In float64 with shared masks, the weights after the whole run are
    compared, too. Concise versions draw their own masks, so they are compared without noise.

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
        threads: threads of each framework's pools (see ``WorkerOptions``).
        execution: "default", or "fast" for a framework that has it.
        on_event: called with a variant's name, "torch" or "torch-concise", and each report of its
            worker.

    Returns:
        The content of ``summary.json``; ``ok`` is True if all variants ran and are in lockstep. If
        a worker fails, its entry says so; no exception is raised.

    Raises:
        ValueError, TypeError, ImportError, DataError: a bad argument; no work has started.
        FileExistsError: the run exists already, and ``resume`` is False.
        FolderInUseError: another process works in the folder.
        Interrupted: Ctrl-C. Finished runs are kept, and the exception's ``summary`` lists them.
    """
    recipe = Recipe() if recipe is None else recipe
    options = WorkerOptions(device, threads, execution, timeout, pythons or {})
    record = check_record(record)
    check_positive(lockstep_steps, "lockstep_steps")
    source = DataSource(data) if isinstance(data, str) else data
    with NamedFolder.claim("comparison", out, name, resume=resume) as folder:
        variants = plan_variants(folder.read(), backends, recipe, implementation, options)
        asked = Request(folder, recipe, record, options, resume, on_event)
        asked.refuse_other_runs(variants)
        dataset = as_dataset(source)
        asked.refuse_other_runs(variants, dataset)
        whole = recipe.num_epochs * -(-len(dataset.train_images) // recipe.batch_size)
        checks = plan_checks(recipe, variants, lockstep_steps, whole)
        left_out = {} if backends else missing_backends(variants)
        with shared_data(dataset) as shared, scratch_folder() as scratch:
            comparison = Comparison(asked, dataset, shared, scratch, checks, left_out)
            return comparison.run(variants)


@dataclass(frozen=True)
class Request:
    """The arguments of a comparison, after all checks."""

    folder: NamedFolder
    recipe: Recipe
    record: tuple[str, ...]
    options: WorkerOptions
    resume: bool
    on_event: OnVariantEvent

    def identity(self, data: Dataset | None) -> dict[str, Any]:
        """The fields that decide the comparison's results; without ``data``, those known so far."""
        values: dict[str, Any] = {
            "recipe": self.recipe.to_dict(),
            "record": list(self.record),
            "device": self.options.device,
            "threads": self.options.threads,
            "execution": self.options.execution,
        }
        if data is not None:
            values |= data.identity
        return values

    def refuse_other_runs(self, variants: Sequence[Variant], data: Dataset | None = None) -> None:
        """Raise ValueError if the folder holds another comparison, or another run of a variant."""
        self.folder.refuse_other(self.identity(data))
        for variant in variants:
            self.planned_run(variant).refuse_other(data)

    def planned_run(self, variant: Variant) -> PlannedRun:
        """The training of a variant."""
        return PlannedRun(
            variant.backend,
            variant.implementation,
            recipe_for(variant.backend, self.recipe, variant.implementation),
            self.record,
            self.options,
            self.folder.backend(variant.name),
        )


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
        rows: each variant's entry in the summary.
        lockstep: the results of ``checks``; empty if NumPy's reference run failed.
        problem: why the reference run failed, if it did.
    """

    asked: Request
    data: Dataset
    shared: SharedData
    scratch: Path
    checks: list[Check]
    left_out: dict[str, str]
    rows: dict[Variant, dict[str, Any]] = field(default_factory=dict)
    lockstep: list[Lockstep] = field(default_factory=list)
    problem: str | None = None

    def run(self, variants: Sequence[Variant]) -> dict[str, Any]:
        """Run the reference and every variant; write the summary and return it.

        Raises:
            Interrupted: Ctrl-C; the summary is written.
        """
        self.rows = {variant: {"status": "not run"} for variant in variants}
        try:
            self._run_reference()
            for variant in variants:
                self.rows[variant] = {"status": "interrupted"}
                self.rows[variant] = self._run_variant(variant)
                if self.rows[variant]["status"] == "ok":
                    self._measure(variant)
        except KeyboardInterrupt:
            raise Interrupted(self._write_summary()) from None
        return self._write_summary()

    def _run_reference(self) -> None:
        """Take NumPy's own steps, and measure the yardstick of each check."""
        job = reference_job(self.checks, self.shared, self.scratch)
        log = self.asked.folder.path / "lockstep.log"
        try:
            self._run_job(job, job.backend, log)
            self.lockstep = [check.measure_yardstick(self.scratch) for check in self.checks]
        except Exception as error:  # noqa: BLE001 - whatever is wrong, other rows go on
            self.problem = f"NumPy's reference run failed: {row_of_failure(error)['error']}"

    def _run_variant(self, variant: Variant) -> dict[str, Any]:
        """Run the variant's lockstep steps and its training, each in a worker; return its entry."""
        asked, planned = self.asked, self.asked.planned_run(variant)
        device = asked.options.device
        steps = first_steps_job(variant, self.checks, self.shared, self.scratch, device)
        training = planned.job(self.shared, resume=asked.resume)
        try:
            for job in (steps, training):
                self._run_job(job, variant.name, planned.folder.log)
            return row_of_run(planned.read_result(self.data))
        except Exception as error:  # noqa: BLE001 - whatever is wrong, other rows go on
            return self._failed(variant, error)

    def _measure(self, variant: Variant) -> None:
        """Measure how far the variant is from NumPy in each of its checks."""
        trained = self.asked.folder.backend(variant.name).weights
        try:
            # Without a reference there are no results to add to.
            for check, found in zip(self.checks, self.lockstep, strict=False):
                if variant in check.variants:
                    difference = check.difference(self.scratch, variant, trained)
                    found.differences[variant.name] = difference
        except Exception as error:  # noqa: BLE001 - whatever is wrong, other rows go on
            self.rows[variant] = self._failed(variant, error)

    def _failed(self, variant: Variant, error: Exception) -> dict[str, Any]:
        """Report that the variant failed, and return its entry."""
        row = row_of_failure(error)
        self.asked.on_event(variant.name, {"event": "failed", "message": row["error"]})
        return row

    def _run_job(self, job: Job, name: str, log: Path) -> None:
        asked = self.asked
        run_job(job, asked.options, lambda event: asked.on_event(name, event), log=log)

    def _write_summary(self) -> dict[str, Any]:
        folder = self.asked.folder
        rows = {variant.name: row for variant, row in self.rows.items()}
        in_lockstep = bool(self.lockstep) and all(
            check.holds(variant) for check in self.lockstep for variant in check.variants
        )
        summary = {
            "format": FORMAT,
            "name": folder.path.name,
            "folder": str(folder.path),
            "d2ldrop_version": __version__,
            "machine": machine(),
            **self.asked.identity(self.data),
            "backends": rows,
            "left_out": self.left_out,
            "lockstep": [check.to_dict() for check in self.lockstep],
            "problem": self.problem,
            "ok": in_lockstep and all(row["status"] == "ok" for row in rows.values()),
        }
        try:
            folder.write(summary)
        except OSError as error:  # a full disk: the caller still gets the summary
            warnings.warn(f"the summary is not saved: {error}", stacklevel=2)
            summary["ok"] = False
        return summary
