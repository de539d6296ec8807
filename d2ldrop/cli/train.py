"""``d2ldrop train``."""

from __future__ import annotations

from typing import Any

import click

from d2ldrop.cli.completion import complete_backend
from d2ldrop.cli.options import (
    data_options,
    implementation_option,
    place_options,
    recipe_options,
    run_options,
    take_data_source,
    take_recipe,
    worker_options,
)
from d2ldrop.cli.output import OUTPUT
from d2ldrop.cli.progress import Progress, say_how_to_resume
from d2ldrop.cli.resume import as_refusal, resumable
from d2ldrop.cli.watching import observers_of, tensorboard_option
from d2ldrop.comparison.layout import printable
from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.settings import settle
from d2ldrop.comparison.table import data_title
from d2ldrop.frameworks import title
from d2ldrop.page.observers import Observers
from d2ldrop.processes.launcher import Event, WorkerFailedError, run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.planned_run import PlannedRun
from d2ldrop.processes.shared_data import shared_data
from d2ldrop.training.divergence import diverged_after
from d2ldrop.training.folder import NamedFolder
from d2ldrop.training.implementations import IMPLEMENTATIONS, recipe_for
from d2ldrop.training.outline import check_concise


@click.command()
@click.argument("backend", shell_complete=complete_backend)
@recipe_options
@implementation_option(IMPLEMENTATIONS)
@data_options
@run_options
@worker_options
@place_options
@tensorboard_option
@resumable("run")
def train(
    backend: str,
    implementation: str | None,
    out: str,
    name: str | None,
    resume: bool,
    device: str,
    timeout: float,
    quiet: bool,
    record: tuple[str, ...],
    on_divergence: str,
    threads: int | None,
    execution: str,
    pythons: dict[str, str],
    tensorboard: bool,
    **options: Any,
) -> None:
    """Train the dropout MLP on one framework: BACKEND."""
    observers = Observers(observers_of(tensorboard=tensorboard))
    recipe, source = take_recipe(options), take_data_source(options)
    worker = WorkerOptions(device, threads, execution, timeout, pythons)
    worker.choose_backends([backend])
    variant = Variant(backend, implementation or "scratch")
    recipe = recipe_for(backend, recipe, variant.implementation)
    if variant.implementation == "concise" and backend not in pythons:
        check_concise(backend)
    settle([backend], worker)  # refuses a device that the framework does not have here
    with NamedFolder.claim("run", out, name, resume=resume) as named:
        folder = named.backend(variant.name)
        planned = PlannedRun(
            backend, variant.implementation, recipe, record, worker, folder, on_divergence
        )
        planned.refuse_other()
        data = source.load()
        planned.refuse_other(data)
        progress = Progress(quiet)
        with shared_data(data) as shared, progress:
            job = planned.job(shared, resume=resume)
            observers.on_summary({"folder": str(named.path), "backends": {}})

            def heard(event: Event) -> None:
                progress(variant.name, event)
                observers.on_event(variant.name, event)

            try:
                run_job(job, worker, heard, log=folder.log)
            except KeyboardInterrupt:
                progress.close()
                say_how_to_resume(named.path)
                raise
            except WorkerFailedError as error:
                raise as_refusal(error) from None
            result = planned.read_result(data)
            finished = {variant.name: {"status": "ok"}}
            observers.on_summary({"folder": str(named.path), "backends": finished})
    OUTPUT.results = folder.path
    last = result["epochs"][-1]
    loss = "nan" if last["train_loss"] is None else f"{last['train_loss']:.4f}"
    version = printable(result["framework_version"])
    click.echo(
        f"{title(variant.name)} {version} on {data_title(result)}: "
        f"after {last['epoch']} {'epoch' if last['epoch'] == 1 else 'epochs'} train loss {loss}, "
        f"train accuracy {last['train_accuracy']:.4f}, test accuracy {last['test_accuracy']:.4f}"
    )
    if (steps := result.get("diverged_after")) is not None:
        ended = " and was stopped" if result["stopped_early"] else ""
        click.echo(f"The run {diverged_after(steps)}{ended}: a smaller --lr usually prevents it.")
    click.echo(f"Results and weights: {folder.path}")
