"""``d2ldrop report``, and the page that other commands write at their end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from d2ldrop.comparison.layout import printable

if TYPE_CHECKING:  # the page is imported when it is needed: other commands start faster
    from d2ldrop.page.results import ComparisonResults


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
    --out. Exit status 1: a part of a RUN could not be read, and the page says which. Exit status 2:
    a RUN has no page; the others have theirs.
    """
    sys.exit(max(_report(run, Path(out)) for run in runs))


def _report(run: str, out: Path) -> int:
    """Write the page and the pictures of one run; return the exit status.

    A run without a page does not cost the others theirs: the error is printed.
    """
    from d2ldrop.page.report import make_report

    try:
        folder = _find(run, out)
        made = make_report(folder)  # before anything is written
        pictures = "" if made.results is None else _draw(made.results)
        path = make_report(folder).write()  # the page lists the pictures
    except (ValueError, OSError) as error:
        _complain(f"Error: {error}")
        return 2
    click.echo(path)
    problems = [*made.problems, *filter(None, [pictures])]
    for problem in problems:
        _complain(problem)
    return 1 if problems else 0


def _complain(text: str) -> None:
    click.echo(printable(text), err=True)


def _draw(results: ComparisonResults) -> str:
    """Draw the pictures; return why that was not possible, or nothing."""
    from d2ldrop.page.pictures import draw_pictures

    try:
        draw_pictures(results)
    except Exception as error:  # noqa: BLE001 - a picture that fails must not cost the page
        return f"The pictures of {results.folder} could not be drawn: {error}"
    return ""


def _find(run: str, out: Path) -> Path:
    """The folder that ``run`` names.

    Raises:
        OSError: there is none.
    """
    paths = [Path(run), out / run] if run else []
    for path in paths:
        if path.is_dir():
            return path
    for path in paths:
        if path.exists():
            raise NotADirectoryError(f"{path} is a file: give its folder, {path.parent}")
    raise FileNotFoundError(
        f"there is no run folder {' or '.join(map(str, paths)) or repr(run)}: "
        "give its path, or its name and --out"
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
