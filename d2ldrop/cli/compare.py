"""``d2ldrop compare``."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
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
from d2ldrop.cli.output import OUTPUT, show
from d2ldrop.cli.progress import Progress, say_how_to_resume
from d2ldrop.cli.report import results_in, save_report
from d2ldrop.cli.resume import resumable
from d2ldrop.cli.watching import both, live_option, observers_of, tensorboard_option
from d2ldrop.comparison.plan import IMPLEMENTATION_CHOICES
from d2ldrop.comparison.runner import Interrupted, compare_backends
from d2ldrop.comparison.table import comparison_table, remarks
from d2ldrop.core.files import dump_json
from d2ldrop.page.observers import Observers
from d2ldrop.page.pictures import draw_pictures
from d2ldrop.page.results import read_comparison

FAILED = "Results without curves"
SPEED_EPOCHS = 3
"""Epochs in float32 without --dtype; their median leaves out a slow first one."""


@click.command()
@click.argument("backends", nargs=-1, metavar="[BACKEND]...", shell_complete=complete_backend)
@recipe_options
@implementation_option(list(IMPLEMENTATION_CHOICES))
@data_options
@run_options
@worker_options
@place_options
@live_option
@tensorboard_option
@click.option(
    "--lockstep-steps",
    type=int,
    default=100,
    show_default=True,
    help="Number of steps of the lockstep check (in float64) of each variant.",
)
@click.option(
    "--speed-epochs",
    type=int,
    help="Epochs in float32 that show speed and memory, beside a comparison in float64."
    f"  [default: {SPEED_EPOCHS} without --dtype, else 0]",
)
@click.option(
    "--check",
    is_flag=True,
    help="Before each training, run the levels L0 to L2 of the conformance suite on the backend; "
    "one that fails is not trained.",
)
@click.option("--json", "as_json", is_flag=True, help="Print only the summary, as JSON.")
@resumable("comparison")
def compare(
    backends: tuple[str, ...],
    pythons: dict[str, str],
    quiet: bool,
    as_json: bool,
    out: str,
    name: str | None,
    tensorboard: bool,
    live: bool,
    **options: Any,
) -> None:
    """Train on several frameworks, one after another, and compare them (default: all installed).

    Without --dtype, the frameworks train in float64, in which all must agree, and before that for a
    few epochs in float32, for speed and memory. With --dtype they train in that dtype alone.
    """
    _choose_dtypes(options)
    recipe, source = take_recipe(options), take_data_source(options)
    progress = Progress(quiet)
    observers = Observers(observers_of(tensorboard=tensorboard, live=live))
    interrupted = False
    with closing(observers):
        with progress:
            try:
                summary = compare_backends(
                    backends,
                    recipe,
                    data=source,
                    out=out,
                    name=name,
                    pythons=pythons,
                    on_event=both(progress, observers.on_event),
                    on_summary=observers.on_summary,
                    **options,
                )
            except Interrupted as error:
                summary, interrupted = error.summary, True
        observers.on_summary(summary)
        drawn = _save_curves(summary)
        whole = save_report(Path(summary["folder"]))
    _show(summary, as_json, drawn)
    if interrupted:
        say_how_to_resume(Path(summary["folder"]))
        raise KeyboardInterrupt
    sys.exit(0 if summary["ok"] and drawn != FAILED and whole else 1)


def _choose_dtypes(options: dict[str, Any]) -> None:
    """Set the dtype and the number of epochs in float32, where they are not given."""
    if options["speed_epochs"] is None:
        options["speed_epochs"] = 0 if options["dtype"] else SPEED_EPOCHS
    options["dtype"] = options["dtype"] or "float64"


def _save_curves(summary: dict[str, Any]) -> str:
    """Draw the curves, before anything is printed; return what the folder holds."""
    OUTPUT.results = Path(summary["folder"])
    try:
        drawn = draw_pictures(read_comparison(summary["folder"]))
    except Exception as error:  # noqa: BLE001 - a picture that fails must not cost the table
        click.echo(f"The curves could not be drawn: {error}", err=True)
        return FAILED
    return "Results and curves" if drawn else "Results"


def _show(summary: dict[str, Any], as_json: bool, drawn: str) -> None:
    """Print the summary as JSON, or as a table with remarks."""
    if as_json:
        click.echo(dump_json(summary, indent=2))
    else:
        show(
            comparison_table(summary), remarks(summary), results_in(drawn, Path(summary["folder"]))
        )
