"""``d2ldrop evaluate``."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from safetensors.numpy import save_file

from d2ldrop.cli.completion import complete_backend
from d2ldrop.cli.options import data_options, pythons_option, take_data_source
from d2ldrop.comparison.settings import settle
from d2ldrop.core.checks import check_probability
from d2ldrop.frameworks import title
from d2ldrop.prediction import scale_weights
from d2ldrop.processes.jobs import EvaluateJob
from d2ldrop.processes.launcher import run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.scratch import scratch_folder
from d2ldrop.processes.shared_data import shared_data
from d2ldrop.training.saved_arrays import load_weights


@click.command()
@click.argument("weights", type=click.Path())
@click.option(
    "--backend",
    required=True,
    help="The framework that evaluates.",
    shell_complete=complete_backend,
)
@data_options
@click.option("--device", default="cpu", show_default=True, help="cpu, gpu or gpu:N.")
@pythons_option
@click.option(
    "--original-dropout",
    type=float,
    nargs=2,
    help="For a run with --scaling original: its --dropout, by which the weights are scaled.",
)
def evaluate(
    weights: str,
    backend: str,
    device: str,
    pythons: dict[str, str],
    original_dropout: tuple[float, float] | None,
    **options: Any,
) -> None:
    """Test loss and accuracy of saved WEIGHTS (weights.safetensors), on any framework."""
    source = take_data_source(options)
    worker = WorkerOptions(device, pythons=pythons)
    worker.choose_backends([backend])
    settle([backend], worker)  # refuses a device that the framework does not have here
    dropout = [check_probability(p, "original_dropout") for p in original_dropout or (0, 0)]
    arrays = scale_weights(load_weights(weights), dropout)
    data = source.load()
    found: dict[str, Any] = {}
    with shared_data(data) as shared, scratch_folder() as folder:
        file = folder / "weights.safetensors"
        save_file(arrays, file)
        job = EvaluateJob(backend, shared, file, worker.device)
        with Console(stderr=True).status(f"{title(backend)} evaluates"):  # only on a terminal
            run_job(job, worker, found.update, log=folder / "worker.log")
    loss = "nan" if found["loss"] is None else f"{found['loss']:.6f}"
    click.echo(
        f"{title(backend)}: test loss {loss}, test accuracy {found['accuracy']:.4f} "
        f"({len(data.test_images):,} images of {data.name})"
    )
