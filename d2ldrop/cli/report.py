"""``d2ldrop report``, and the page that other commands write at their end."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from d2ldrop.comparison.layout import printable


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--out",
    type=click.Path(),
    default="runs",
    show_default=True,
    help="Folder of all runs, for a RUN that is only a name.",
)
def report(runs: tuple[str, ...], out: str) -> None:
    """Write the page report.html and the pictures of each RUN again, and print the page's path.

    RUN is the folder of a comparison, an experiment, a benchmark or a training, or its name under
    --out. Exit status 1: a part of a RUN could not be read, and the page says which.
    """
    from d2ldrop.page.pictures import draw_pictures
    from d2ldrop.page.report import make_report

    pages = [make_report(_find(run, Path(out))) for run in runs]  # before anything is written
    intact = True
    for made in pages:
        if made.results is not None:
            draw_pictures(made.results)
        click.echo(make_report(made.folder).write())  # the page lists the pictures
        for problem in made.problems:
            click.echo(printable(problem), err=True)
            intact = False
    sys.exit(0 if intact else 1)


def _find(run: str, out: Path) -> Path:
    """The folder that ``run`` names.

    Raises:
        FileNotFoundError: there is none.
    """
    for folder in (Path(run), out / run):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"there is no run folder {run} or {out / run}: give its path, or its name and --out"
    )


def save_report(folder: Path) -> bool:
    """Write the page of a finished run; return whether all of it could be made.

    A page that fails must not cost the table: the error is printed.
    """
    from d2ldrop.page.report import make_report

    try:
        made = make_report(folder)
        made.write()
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the table follows
        click.echo(printable(f"The page could not be written: {error}"), err=True)
        return False
    for problem in made.problems:
        click.echo(printable(f"The page is incomplete: {problem}"), err=True)
    return not made.problems


def results_in(what: str, folder: Path) -> str:
    """The last lines of a command: the folder of its results, and their page if it was written."""
    from d2ldrop.page.sections import REPORT

    page = folder / REPORT
    return f"{what}: {folder}" + (f"\nPage: {page}" if page.exists() else "")
