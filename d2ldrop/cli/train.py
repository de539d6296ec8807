"""``d2ldrop train``."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

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
from d2ldrop.cli.progress import Progress, say_how_to_resume
from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.table import data_title
from d2ldrop.data import Dataset
from d2ldrop.frameworks import title
from d2ldrop.processes.jobs import TrainJob
from d2ldrop.processes.launcher import run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.shared_data import shared_data
from d2ldrop.training.divergence import diverged_after
from d2ldrop.training.folder import NamedFolder
from d2ldrop.training.implementations import IMPLEMENTATIONS, recipe_for
from d2ldrop.training.run import expected_identity


@click.command()
@click.argument("backend")
@recipe_options
@implementation_option(IMPLEMENTATIONS)
@data_options
@run_options
@worker_options
@place_options
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
    **options: Any,
) -> None:
    """Train the dropout MLP on one framework: BACKEND."""
    recipe, source = take_recipe(options), take_data_source(options)
    worker = WorkerOptions(device, threads, execution, timeout, pythons)
    worker.choose_backends([backend])
    variant = Variant(backend, implementation or "scratch")
    recipe = recipe_for(backend, recipe, variant.implementation)
    named = NamedFolder.claim("run", out, name, resume=resume)
    folder = named.backend(variant.name)

    def refuse_other_run(data: Dataset | None) -> None:
        environment = worker.environment(backend)
        expected = expected_identity(
            backend,
            recipe,
            variant.implementation,
            record,
            worker.device,
            environment,
            data,
            on_divergence=on_divergence,
        )
        folder.refuse_other(expected)

    refuse_other_run(None)
    data = source.load()
    refuse_other_run(data)
    progress = Progress(quiet)
    with shared_data(data) as shared, progress:
        job = TrainJob(
            backend,
            shared,
            recipe,
            folder.path,
            implementation=variant.implementation,
            device=worker.device,
            resume=resume,
            record=record,
            on_divergence=on_divergence,
        )
        try:
            run_job(job, worker, partial(progress, variant.name), log=folder.log)
        except KeyboardInterrupt:
            progress.close()
            say_how_to_resume(named.path)
            raise
    result = folder.read_result()
    last = result["epochs"][-1]
    loss = "nan" if last["train_loss"] is None else f"{last['train_loss']:.4f}"
    click.echo(
        f"{title(variant.name)} {result['framework_version']} on {data_title(result)}: "
        f"after {last['epoch']} epochs train loss {loss}, "
        f"train accuracy {last['train_accuracy']:.4f}, test accuracy {last['test_accuracy']:.4f}"
    )
    if (steps := result.get("diverged_after")) is not None:
        ended = " and was stopped" if result["stopped_early"] else ""
        click.echo(f"The run {diverged_after(steps)}{ended}: a smaller --lr usually prevents it.")
    click.echo(f"Results and weights: {folder.path}")
