"""``d2ldrop conformance``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from d2ldrop.cli.completion import Choice, complete_backend
from d2ldrop.cli.options import TIMEOUT, pythons_option
from d2ldrop.cli.progress import Progress
from d2ldrop.comparison.layout import printable
from d2ldrop.conformance import LEVELS
from d2ldrop.conformance.job import run_suite
from d2ldrop.conformance.report import lines
from d2ldrop.core.files import write_json
from d2ldrop.core.places import check_output_file
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.scratch import scratch_folder


@click.command()
@click.argument("backend", shell_complete=complete_backend)
@click.option(
    "--level",
    type=Choice(list(LEVELS)),
    default="L4",
    show_default=True,
    help="The highest level: L0 masks, L1 layer, L2 one step, L3 lockstep, L4 float32 and fresh "
    "masks.",
)
@click.option("--json", type=click.Path(path_type=Path), help="Also write this file.")
@click.option(
    "--expected-failures",
    "expected",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file: names of checks that must fail, each with a reason.",
)
@click.option(
    "--threads",
    type=int,
    help="Threads of each framework's pools.  [default: chosen for each framework]",
)
@click.option("--timeout", type=float, default=300, show_default=True, help=TIMEOUT)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@pythons_option
def conformance(
    backend: str,
    level: str,
    json: Path | None,
    expected: Path | None,
    threads: int | None,
    timeout: float,
    quiet: bool,
    pythons: dict[str, str],
) -> None:
    """Judge the backend of a framework: run the conformance suite on it."""
    options = WorkerOptions(threads=threads, timeout=timeout, pythons=pythons)
    options.choose_backends([backend])
    if json is not None:
        check_output_file(json, "json")
    with scratch_folder() as folder, Progress(quiet) as progress:
        report = run_suite(
            backend,
            options,
            log=folder / "log",
            level=level,
            expected=expected,
            on_event=lambda event: progress(backend, event),
        )
        if json is not None:
            write_json(json, report)
    for line in lines(report):
        click.echo(printable(line))
    sys.exit(0 if report["passed"] else 1)
