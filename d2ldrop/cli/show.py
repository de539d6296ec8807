"""``d2ldrop show``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from d2ldrop.backend import backend_names
from d2ldrop.cli.completion import complete_backend, complete_function
from d2ldrop.cli.output import show as show_table
from d2ldrop.comparison.layout import Column, FittedTable, console, printable
from d2ldrop.core.files import write_bytes
from d2ldrop.core.places import check_output_file
from d2ldrop.frameworks import title

if TYPE_CHECKING:  # the source viewer is imported when it is needed: other commands start faster
    from d2ldrop.cli.source_columns import Source

COLUMNS = (
    Column("name"),
    Column("what it does", wraps=True),
    Column("backends", wraps=True, hide=1),
)


@click.command()
@click.argument("name", required=False, shell_complete=complete_function)
@click.argument("backends", nargs=-1, metavar="[BACKEND]...", shell_complete=complete_backend)
@click.option(
    "--diff",
    nargs=2,
    metavar="A B",
    shell_complete=complete_backend,
    help="Show the backends A and B, and mark what differs. Indentation does not count.",
)
@click.option(
    "--html",
    metavar="FILE",
    help="Write a page with the function, or with all functions, to a new file; - is stdout.",
)
def show(
    name: str | None, backends: tuple[str, ...], diff: tuple[str, str] | None, html: str | None
) -> None:
    """Show the source of a function in several backends, side by side.

    Without NAME: list the functions. Frameworks need not be installed.
    """
    from d2ldrop.page.listings import (
        backend_modules,
        check_backend,
        check_function,
        readable_backends,
    )

    if diff is not None and backends:
        raise ValueError("diff takes the two backends: give none after the name of the function")
    if diff is not None and diff[0] == diff[1]:
        raise ValueError(f"diff must be two different backends, got {diff[0]!r} twice")
    readable, problems = readable_backends(backend_names())
    named = list(dict.fromkeys(diff or backends))
    if name is not None:
        check_function(name, readable)
    for backend in named:
        check_backend(backend)
        backend_modules(backend)  # raises if they cannot be read
    for problem in problems:
        click.secho(f"WARNING: {printable(problem)}", err=True, fg="yellow")
    chosen = named or readable
    if html is not None:
        _write_page(html, name, chosen, diff)
    elif name is not None:
        _print(name, chosen, differences=diff is not None)
    elif diff is not None:
        raise ValueError("diff needs the name of a function, or --html for a page of all functions")
    else:
        _list(chosen)


def _print(name: str, backends: list[str], *, differences: bool) -> None:
    from d2ldrop.cli.source_columns import SideBySide
    from d2ldrop.cli.source_difference import Difference

    sources = [_source(name, backend) for backend in backends]
    console().print(Difference(*sources) if differences else SideBySide(sources))


def _source(name: str, backend: str) -> Source:
    from d2ldrop.cli.source_columns import Source
    from d2ldrop.page.listings import find_listing

    listing = find_listing(name, backend)
    framework = title(backend)
    missing = f"{framework} has no function {name}."
    if listing is None:
        return Source(framework, "", (), missing)
    return Source(framework, f"{listing.file}:{listing.line}", listing.lines, missing)


def _list(backends: list[str]) -> None:
    from d2ldrop.page.listings import about, find_listing, function_names

    table = FittedTable("Functions of the backends", COLUMNS)
    for name in function_names(backends):
        having = [each for each in backends if find_listing(name, each) is not None]
        who = "all" if having == backends else ", ".join(having)
        table.add_row(name, about(name, backends).replace("``", ""), who)
    show_table(table, ["d2ldrop show NAME prints the source of one."])


def _write_page(
    target: str, name: str | None, backends: list[str], diff: tuple[str, str] | None
) -> None:
    from d2ldrop.page.code_section import code_section
    from d2ldrop.page.sections import Page, Section

    if target != "-":
        _check_new(target)
    first, second = diff or ("", "")
    section = code_section(backends, [name] if name else [], chosen=first, compared=second)
    page = Page(
        kind="code",
        title=name or "Dropout, side by side",
        subtitle=", ".join(title(backend) for backend in backends),
        sections=[Section("code", "code", "code.html", section)],
    )
    if target == "-":
        click.echo(page.html())
    else:
        _write(Path(target), page.html())
        click.echo(f"Page: {target}")


def _write(path: Path, html: str) -> None:
    try:
        write_bytes(path, html.encode())
    except OSError as error:
        raise OSError(
            f"html must be a file that can be written, but {path} cannot: {error.strerror or error}"
        ) from error


def _check_new(target: str) -> None:
    """Raise unless ``target`` is a new file in a folder that can be written."""
    if not target:
        raise ValueError("html must be a file, got '': give the name of a file")
    path = Path(target)
    check_output_file(path, "html")
    if os.path.lexists(path):
        raise FileExistsError(
            f"html must be a new file, but {path} exists: delete it, or give another name"
        )
