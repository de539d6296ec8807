"""The comparison: every variant runs the same recipe, one worker process after another.

The result is ``out/name/summary.json``, beside the folders of the variants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from d2ldrop.comparison.checks import plan_checks
from d2ldrop.comparison.plan import missing_backends, plan_variants
from d2ldrop.comparison.request import (
    SPEED_DTYPE,
    OnSummary,
    OnVariantEvent,
    Request,
    ignore_event,
    ignore_summary,
)
from d2ldrop.comparison.running import Comparison, Interrupted
from d2ldrop.comparison.settings import settle
from d2ldrop.conformance.job import check_requirements
from d2ldrop.core.checks import check_integer, check_positive
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset, DataSource, as_dataset
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.scratch import scratch_folder
from d2ldrop.processes.shared_data import shared_data
from d2ldrop.training.divergence import check_on_divergence
from d2ldrop.training.folder import NamedFolder
from d2ldrop.training.layer_statistics import check_record

__all__ = ["Interrupted", "compare_backends"]


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
    speed_epochs: int = 0,
    on_event: OnVariantEvent = ignore_event,
    on_summary: OnSummary = ignore_summary,
) -> dict[str, Any]:
    """Train the same recipe on several frameworks, each in its own process, one after another.

    After its training, each variant takes ``lockstep_steps`` steps in float64. Its weights,
    losses, logits and predictions are compared with NumPy's. A short training shows faults that the
    recipe may hide, and the layer's own masks are checked. In float64 with shared masks, the
    weights, the losses and the test accuracy of the whole run are compared, too. Concise versions
    draw their own masks, so they are compared without noise.

    With ``speed_epochs``, each variant first trains a few epochs in float32. These runs show speed
    and memory as users know them, and the recipe's own runs in float64 show that all agree.

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
        speed_epochs: epochs of the runs in float32, at most those of the recipe; 0: none. The
            recipe must then have float64.
        on_event: called with each report of a worker (see ``OnVariantEvent``).
        on_summary: called with the summary so far (see ``OnSummary``).

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
    _check_speed_epochs(speed_epochs, recipe)
    if check:
        check_requirements()
    source = DataSource(data) if isinstance(data, str) else data
    with NamedFolder.claim("comparison", out, name, resume=resume) as folder:
        variants = plan_variants(folder.read(), backends, recipe, implementation, options)
        asked = Request(
            folder,
            recipe,
            record,
            on_divergence,
            options,
            resume,
            check,
            on_event,
            speed_epochs,
            on_summary,
        )
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


def _check_speed_epochs(speed_epochs: int, recipe: Recipe) -> None:
    check_integer(speed_epochs, "speed_epochs", "an integer of at least 0", 0)
    if speed_epochs and recipe.dtype == SPEED_DTYPE:
        raise ValueError(
            f"speed_epochs must be 0 with dtype {SPEED_DTYPE}, got {speed_epochs}: "
            "the runs themselves show speed and memory"
        )
