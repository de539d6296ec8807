"""The command line: ``d2ldrop`` and ``python -m d2ldrop``.

Results go to stdout, progress and errors to stderr. Exit status: 0 all is well; 1 something ran and
failed, or is not in lockstep; 2 a bad argument, nothing was begun; 130 Ctrl-C.

No framework is ever imported here: workers do that, each in a process of its own.
"""

from __future__ import annotations

import importlib.util
import io
import signal
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from safetensors.numpy import save_file
from tqdm import tqdm

from d2ldrop.backend import backend_names, install_hint, is_installed
from d2ldrop.cli.experiment import experiment
from d2ldrop.cli.options import (
    data_options,
    implementation_option,
    place_options,
    pythons_option,
    recipe_options,
    run_options,
    take_data,
    take_recipe,
    worker_options,
)
from d2ldrop.cli.progress import Progress
from d2ldrop.comparison.curves import draw_curves
from d2ldrop.comparison.plan import IMPLEMENTATION_CHOICES, Variant
from d2ldrop.comparison.runner import Interrupted, compare_backends
from d2ldrop.comparison.table import comparison_table, console, data_title, remarks
from d2ldrop.core.checks import check_probability
from d2ldrop.core.files import dump_json
from d2ldrop.data import DataError, Dataset, DataSource, StandInWarning
from d2ldrop.data import fashion_mnist as data_module
from d2ldrop.frameworks import title
from d2ldrop.prediction import scale_weights
from d2ldrop.processes.interpreters import check_usable
from d2ldrop.processes.jobs import EvaluateJob, ProbeJob, TrainJob
from d2ldrop.processes.launcher import WorkerFailedError, run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.shared_data import shared_data
from d2ldrop.training.folder import NamedFolder, load_weights
from d2ldrop.training.implementations import IMPLEMENTATIONS, recipe_for
from d2ldrop.training.run import expected_identity
from d2ldrop.version import __version__

USER_ERRORS = (ValueError, TypeError, ImportError, OSError, DataError)


def main() -> NoReturn:
    """Run the command line."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None if it is closed
            stream.reconfigure(errors="replace")  # a table is worth more than an encoding
    warnings.showwarning = _show_warning
    try:
        cli.main(standalone_mode=False, prog_name="d2ldrop")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except WorkerFailedError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except USER_ERRORS as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    sys.exit(0)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning as one line: where in the code it arose says nothing to a user."""
    loud = category is StandInWarning
    click.secho(f"WARNING: {message}", err=True, fg="yellow", bold=loud)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="d2ldrop")
def cli() -> None:
    """Dropout, side by side: one training run on NumPy, PyTorch, TensorFlow, MXNet and Paddle."""


@cli.command()
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
    threads: int | None,
    execution: str,
    pythons: dict[str, str],
    **options: Any,
) -> None:
    """Train the dropout MLP on one framework: BACKEND."""
    worker = WorkerOptions(device, threads, execution, timeout, pythons)
    worker.choose_backends([backend])
    variant = Variant(backend, implementation or "scratch")
    recipe = recipe_for(backend, take_recipe(options), variant.implementation)
    named = NamedFolder.claim("run", out, name, resume=resume)
    folder = named.backend(variant.name)

    def refuse_other_run(data: Dataset | None) -> None:
        environment = worker.environment(backend)
        expected = expected_identity(
            backend, recipe, variant.implementation, record, worker.device, environment, data
        )
        folder.refuse_other(expected)

    refuse_other_run(None)
    data = take_data(options)
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
        )
        try:
            run_job(job, worker, partial(progress, variant.name), log=folder.log)
        except KeyboardInterrupt:
            progress.close()
            _say_how_to_resume(named.path)
            raise
    result = folder.read_result()
    last = result["epochs"][-1]
    loss = "nan" if last["train_loss"] is None else f"{last['train_loss']:.4f}"
    click.echo(
        f"{title(variant.name)} {result['framework_version']} on {data_title(result)}: "
        f"after {last['epoch']} epochs train loss {loss}, "
        f"train accuracy {last['train_accuracy']:.4f}, test accuracy {last['test_accuracy']:.4f}"
    )
    click.echo(f"Results and weights: {folder.path}")


def _say_how_to_resume(folder: Path) -> None:
    click.echo(
        f"\nFinished epochs are kept in {folder}; "
        f"the same command with --name {folder.name} --resume goes on.",
        err=True,
    )


@cli.command()
@click.argument("backends", nargs=-1, metavar="[BACKEND]...")
@recipe_options
@implementation_option(list(IMPLEMENTATION_CHOICES))
@data_options
@run_options
@worker_options
@place_options
@click.option(
    "--lockstep-steps",
    type=int,
    default=100,
    show_default=True,
    help="Steps of the lockstep check in float64 before each run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary alone, as JSON.")
def compare(
    backends: tuple[str, ...],
    pythons: dict[str, str],
    quiet: bool,
    as_json: bool,
    out: str,
    name: str | None,
    **options: Any,
) -> None:
    """Train on several frameworks, one after another, and compare them (default: all installed)."""
    recipe = take_recipe(options)
    data = DataSource(*(options.pop(k) for k in ("dataset", "data_dir", "train_size", "test_size")))
    progress = Progress(quiet)
    interrupted = False
    with progress:
        try:
            summary = compare_backends(
                backends,
                recipe,
                data=data,
                out=out,
                name=name,
                pythons=pythons,
                on_event=progress,
                **options,
            )
        except Interrupted as error:
            summary, interrupted = error.summary, True
    _show(summary, as_json)
    if interrupted:
        _say_how_to_resume(Path(summary["folder"]))
        raise KeyboardInterrupt
    sys.exit(0 if summary["ok"] else 1)


def _show(summary: dict[str, Any], as_json: bool) -> None:
    """The summary as JSON, or as a table with its remarks; then the curves."""
    if as_json:
        click.echo(dump_json(summary, indent=2))
    else:
        terminal = console()
        terminal.print(comparison_table(summary))
        for line in remarks(summary):
            terminal.print(line, markup=False, highlight=False)
        terminal.print(f"Results and curves: {summary['folder']}", markup=False, highlight=False)
    draw_curves(summary)


@cli.command()
@click.argument("kind", type=click.Choice(["layer", "train", "startup", "growth"]))
@click.argument("backends", nargs=-1, metavar="[BACKEND]...")
@click.option("--rounds", type=int, default=5, show_default=True, help="How often each is timed.")
@data_options
@worker_options
@place_options
def bench(
    kind: str,
    backends: tuple[str, ...],
    rounds: int,
    threads: int | None,
    execution: str,
    out: str,
    name: str | None,
    timeout: float,
    quiet: bool,
    pythons: dict[str, str],
    **options: Any,
) -> None:
    """Time this project beside the frameworks' own: dropout_layer, an epoch, or start-up.

    growth: how an epoch's cost grows with batch size, hidden width and dtype.
    """
    if not importlib.util.find_spec("threadpoolctl"):
        raise ModuleNotFoundError('bench needs threadpoolctl: pip install "d2ldrop[bench]"')
    from d2ldrop.bench.driver import run_benchmark
    from d2ldrop.bench.pictures import draw
    from d2ldrop.bench.tables import remarks as bench_remarks
    from d2ldrop.bench.tables import table as bench_table

    worker = WorkerOptions(threads=threads, execution=execution, timeout=timeout, pythons=pythons)
    source = data_module.DataSource(**options)
    with Progress(quiet) as progress:
        summary = run_benchmark(
            kind,
            backends,
            source,
            rounds=rounds,
            options=worker,
            out=out,
            name=name,
            on_event=progress,
        )
    terminal = console()
    terminal.print(bench_table(summary))
    for line in bench_remarks(summary):
        terminal.print(line, markup=False, highlight=False)
    draw(summary)
    terminal.print(f"Figures and picture: {summary['folder']}", markup=False, highlight=False)
    sys.exit(1 if any("error" in row for row in summary["backends"].values()) else 0)


cli.add_command(experiment)


@cli.command()
@click.argument("weights", type=click.Path())
@click.option("--backend", required=True, help="The framework that evaluates.")
@data_options
@click.option("--device", default="cpu", show_default=True, help="cpu, gpu or gpu:N.")
@pythons_option
@click.option(
    "--original-dropout",
    type=float,
    nargs=2,
    help="The run's --dropout, if its --scaling was original: scales the weights accordingly.",
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
    worker = WorkerOptions(device, pythons=pythons)
    worker.choose_backends([backend])
    dropout = [check_probability(p, "original_dropout") for p in original_dropout or (0, 0)]
    arrays = scale_weights(load_weights(weights), dropout)
    data = take_data(options)
    found: dict[str, Any] = {}
    with shared_data(data) as shared, tempfile.TemporaryDirectory(prefix="d2ldrop-") as folder:
        file = Path(folder) / "weights.safetensors"
        save_file(arrays, file)
        job = EvaluateJob(backend, shared, file, worker.device)
        with Console(stderr=True).status(f"{title(backend)} evaluates"):  # on a terminal alone
            run_job(job, worker, found.update, log=Path(folder) / "worker.log")
    loss = "nan" if found["loss"] is None else f"{found['loss']:.6f}"
    click.echo(
        f"{title(backend)}: test loss {loss}, test accuracy {found['accuracy']:.4f} "
        f"({len(data.test_images):,} images of {data.name})"
    )


@cli.command()
@pythons_option
def backends(pythons: dict[str, str]) -> None:
    """Show which frameworks are ready, and how to install those that are not."""
    names = list(dict.fromkeys([*backend_names(), *pythons]))
    for name in pythons:
        check_usable(name, pythons)
    table = Table()
    for column in ("backend", "framework", "version", "state", "devices"):
        table.add_column(column, overflow="fold")
    with tempfile.TemporaryDirectory(prefix="d2ldrop-") as folder:
        # On a terminal alone; each takes a second or two.
        for name in tqdm(names, "starting each", leave=False, disable=None):
            log = Path(folder) / f"{name}.log"
            table.add_row(name, title(name), *_probe(name, pythons, log))
    console().print(table)


def _probe(name: str, pythons: dict[str, str], log: Path) -> tuple[str, str, str]:
    """Version, state and devices of a framework, found out in a process of its own."""
    if not (name in pythons or is_installed(name)):
        return "", f"not installed: {escape(install_hint(name))}", ""
    found: dict[str, Any] = {}
    try:
        run_job(ProbeJob(name), WorkerOptions(timeout=120, pythons=pythons), found.update, log=log)
    except WorkerFailedError as error:
        return "", f"[bold red]broken[/]: {escape(str(error))}", ""
    where = " (--python)" if name in pythons else ""
    return found["version"], f"[green]ready[/]{where}", ", ".join(found["devices"])


@cli.command()
@click.option("--data-dir", type=click.Path(), help="Look in this folder only.")
@click.option("--download", is_flag=True, help="Fetch into the user's cache what it lacks (30 MB).")
def data(data_dir: str | None, download: bool) -> None:
    """Show where Fashion-MNIST is and that it is intact; --download fetches it."""
    if download and data_dir:
        raise ValueError(
            f"--download fetches into {data_module.cache_dir()}: it goes without --data-dir"
        )
    folder = data_module.download() if download else data_module.find_fashion_mnist(data_dir)
    if folder is None:
        places = f"{data_module.cache_dir()}, {data_module.DEBIAN}"
        click.echo(f"Fashion-MNIST is not on this machine (looked in {places}).")
        click.echo("'d2ldrop data --download' fetches it; until then 'auto' tries to, too.")
        sys.exit(1)
    for file, array in zip(data_module.FILES, data_module.read_fashion_mnist(folder), strict=True):
        click.echo(f"{file.name}: {len(array):,} verified")
    click.echo(f"Fashion-MNIST is in {folder}")
