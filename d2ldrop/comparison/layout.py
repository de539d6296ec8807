"""Tables that fit the terminal and never cut a figure.

A narrow terminal gets fewer columns, and a line that names the hidden ones. If that is not enough,
each row becomes a list of its cells.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 120
"""Columns if the output is piped."""


def console() -> Console:
    """A console on stdout."""
    return Console(width=None if sys.stdout and sys.stdout.isatty() else PIPE_WIDTH)


def printable(text: str) -> str:
    r"""``text`` with escapes in place of control characters, which could change the terminal.

    >>> print(printable("1.0\x1b[31m"))
    1.0\x1b[31m
    """
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda match: repr(match[0])[1:-1], text)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        header: its heading, of one or more lines; it may wrap at spaces.
        right: align to the right.
        wraps: its cells may wrap at spaces.
        hide: columns with a number may be hidden, those with the lowest number first.
    """

    header: str
    right: bool = False
    wraps: bool = False
    hide: int | None = None


class FittedTable:
    """A table that fits the width of its console. Cells are plain text, never markup."""

    def __init__(self, title: str, columns: Sequence[Column]) -> None:
        self.title = printable(title)
        self.columns = list(columns)
        self._rows: list[list[Text]] = []
        self._sections: set[int] = set()

    def add_row(self, *cells: str | Text) -> None:
        """Add a row; a ``Text`` may have a style."""
        self._rows.append([c if isinstance(c, Text) else Text(printable(c)) for c in cells])

    def add_section(self) -> None:
        """Draw a line below the last row."""
        self._sections.add(len(self._rows) - 1)

    def groups(self) -> list[list[list[Text]]]:
        """The rows, as lists of cells, in groups that a line separates."""
        ends = sorted({*self._sections, len(self._rows) - 1})
        starts = [0, *(end + 1 for end in ends[:-1])]
        return [self._rows[start : end + 1] for start, end in zip(starts, ends, strict=True)]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield the title, then the table or, if even the fewest columns do not fit, lists."""
        yield Text(self.title, style="italic")
        for hidden in self._choices():
            shown = [i for i in range(len(self.columns)) if i not in hidden]
            widths = self._widths(shown, options.max_width)
            if widths is not None:
                yield self._table(shown, widths)
                if hidden:
                    names = ", ".join(_in_one_line(self.columns[i]) for i in sorted(hidden))
                    yield Text(f"Hidden in {options.max_width} columns: {names}.")
                return
        yield from self._lists()

    def _choices(self) -> Iterator[set[int]]:
        """The sets of columns to hide: none first, then one more each time."""
        order = sorted(
            (column.hide, i) for i, column in enumerate(self.columns) if column.hide is not None
        )
        for number in range(len(order) + 1):
            yield {i for _, i in order[:number]}

    def _widths(self, shown: Sequence[int], available: int) -> list[int] | None:
        """The width of each shown column; None if they do not fit into ``available``."""
        least, most = [], []
        for i in shown:
            header = self.columns[i].header
            cells = [line for row in self._rows for line in row[i].plain.splitlines()]
            words = [word for cell in cells for word in cell.split()]
            whole = max(map(cell_len, cells), default=0)
            figure = max(map(cell_len, words), default=0) if self.columns[i].wraps else whole
            least.append(max(figure, max(map(cell_len, header.split()), default=0)))
            most.append(max([whole, *map(cell_len, header.splitlines())]))
        spare = available - sum(least) - 3 * len(shown) - 1  # each has two spaces and a border
        if spare < 0:
            return None
        widths = list(least)
        for i in sorted(range(len(shown)), key=lambda i: most[i] - least[i]):
            more = min(spare, most[i] - least[i])
            widths[i] += more
            spare -= more
        return widths

    def _table(self, shown: Sequence[int], widths: Sequence[int]) -> Table:
        table = Table()
        for i, width in zip(shown, widths, strict=True):
            column = self.columns[i]
            table.add_column(
                Text(column.header),
                justify="right" if column.right else "left",
                width=width,
                overflow="fold",
            )
        for number, row in enumerate(self._rows):
            table.add_row(*(row[i] for i in shown), end_section=number in self._sections)
        return table

    def _lists(self) -> Iterator[RenderableType]:
        """Every row as a list of headings and cells, without empty cells."""
        headings = Table.grid(padding=(0, 2))
        headings.add_column()
        headings.add_column(overflow="fold")
        for row in self._rows:
            headings.add_row("", "")
            for column, cell in zip(self.columns, row, strict=True):
                if cell.plain:
                    headings.add_row(Text(_in_one_line(column)), cell)
        yield headings


def _in_one_line(column: Column) -> str:
    return " ".join(column.header.splitlines())
