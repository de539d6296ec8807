"""The tables of the terminal, for a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.text import Text

from d2ldrop.comparison.layout import Column, FittedTable

INCOMPLETE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What the functions that make a table raise if a file lacks a part of it."""
CLASSES = {"bold red": "bad", "bold yellow": "warn", "bold": "strong"}
"""The class of a cell by its style on the terminal."""


@dataclass(frozen=True)
class Heading:
    """The heading of a column: its lines, and whether the column is aligned to the right."""

    lines: tuple[str, ...]
    right: bool


@dataclass(frozen=True)
class Cell:
    """A cell: its text, and the classes of its element."""

    text: str
    classes: str


@dataclass(frozen=True)
class HtmlTable:
    """A table and the lines below it, as ``templates/table.html`` shows them.

    Attributes:
        title: the line above the table.
        columns: the headings.
        groups: rows of cells; each group is a body of its own.
        remarks: the lines below it.
    """

    title: str
    columns: list[Heading]
    groups: list[list[list[Cell]]]
    remarks: list[str]


def html_table(table: FittedTable, remarks: Iterable[str] = ()) -> HtmlTable:
    """A table of the terminal as one of a page."""
    columns = [Heading(tuple(one.header.splitlines()), one.right) for one in table.columns]
    groups = [
        [[_cell(*pair) for pair in zip(row, table.columns, strict=True)] for row in rows]
        for rows in table.groups()
    ]
    return HtmlTable(table.title, columns, groups, list(remarks))


def _cell(text: Text, column: Column) -> Cell:
    classes = [CLASSES.get(str(text.style), ""), "right" if column.right else ""]
    return Cell(text.plain, " ".join(filter(None, classes)))
