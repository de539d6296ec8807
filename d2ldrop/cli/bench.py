"""``d2ldrop bench``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import click

from d2ldrop.cli.completion import Choice, complete_backend
from d2ldrop.cli.options import data_options, place_options, take_data_source, worker_options
from d2ldrop.cli.output import OUTPUT, show
from d2ldrop.cli.progress import Progress
from d2ldrop.cli.report import results_in, save_report
from d2ldrop.processes.options import WorkerOptions


@click.command()
@click.argument("kind", type=Choice(["layer", "train", "startup", "growth"]))
@click.argument("backends", nargs=-1, metavar="[BACKEND]...", shell_complete=complete_backend)
@click.option("--rounds", type=int, default=5, show_default=True, help="Timings per contender.")
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
    """Compare the speed of this project with that of the frameworks' own code.

    layer: dropout_layer; train: one epoch; startup: starting a process; growth: the cost of an
    image by batch size, hidden width and dtype.
    """
    if not importlib.util.find_spec("threadpoolctl"):
        raise ModuleNotFoundError('bench needs threadpoolctl: pip install "d2ldrop[bench]"')
    from d2ldrop.bench.driver import run_benchmark
    from d2ldrop.bench.pictures import draw
    from d2ldrop.bench.tables import remarks as bench_remarks
    from d2ldrop.bench.tables import table as bench_table

    worker = WorkerOptions(threads=threads, execution=execution, timeout=timeout, pythons=pythons)
    source = take_data_source(options)
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
    failed = any("error" in row for row in summary["backends"].values())
    OUTPUT.results = Path(summary["folder"])
    what = "Figures and picture"
    try:
        draw(summary)
    except Exception as error:  # noqa: BLE001 - a picture that fails must not cost the table
        click.echo(f"The picture could not be drawn: {error}", err=True)
        what, failed = "Figures", True
    failed = not save_report(OUTPUT.results) or failed
    show(bench_table(summary), bench_remarks(summary), results_in(what, Path(summary["folder"])))
    sys.exit(1 if failed else 0)
