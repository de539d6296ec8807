"""Listings in a terminal: as many beside each other as fit, the others below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pygments.token import Comment, Keyword, Name, Number, Operator, String
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.table import Table
from rich.text import Text

from d2ldrop.comparison.layout import printable

LEAST = 58
"""Columns of a listing: two fit in 120. A listing with shorter lines may have fewer."""
GAP = 3
THEME = ANSISyntaxTheme(
    {
        Comment: Style(color="#767676", italic=True),
        Keyword: Style(color="#875fd7"),
        Operator.Word: Style(color="#875fd7"),
        Name.Builtin: Style(color="#008787"),
        Name.Decorator: Style(color="#af5f00"),
        Name.Function: Style(color="#5f5fff", bold=True),
        Number: Style(color="#af5f5f"),
        String: Style(color="#008700"),
    }
)
"""Colours of the usual 256 that are far enough from white and from black: the contrast with both is
at least 4. Other text has the colour of the terminal."""


@dataclass(frozen=True)
class Source:
    """What stands in one column.

    Attributes:
        title: the heading.
        place: the file and the line; may be empty.
        lines: the source; empty if there is none.
        missing: what is shown in place of lines.
    """

    title: str
    place: str
    lines: Sequence[str]
    missing: str

    def heading(self) -> Text:
        """The heading, and the place behind it."""
        return Text.assemble((printable(self.title), "bold"), "  ", (printable(self.place), "dim"))

    def texts(self) -> list[Text]:
        """The coloured lines, or the sentence in place of them."""
        if not self.lines:
            return [Text(printable(self.missing), style="italic")]
        return coloured(self.lines)


def coloured(lines: Sequence[str]) -> list[Text]:
    """Each line of Python code with its colours. Control characters become escapes."""
    code = "\n".join(printable(line.expandtabs(4)) for line in lines)
    text = Syntax(code, "python", theme=THEME).highlight(code)
    return list(text.split("\n", allow_blank=True))[: len(lines)]


@dataclass(frozen=True)
class SideBySide:
    """Listings in columns that fit the width of the console."""

    sources: Sequence[Source]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield one grid for each row of listings."""
        longest = max(cell_len(line) for each in self.sources for line in (*each.lines, ""))
        number = columns(options.max_width, longest, len(self.sources))
        for start in range(0, len(self.sources), number):
            if start:
                yield Text("")
            shown = self.sources[start : start + number]
            grid = grid_of(options.max_width, number)
            add_row(grid, [source.heading() for source in shown])
            width = column_width(options.max_width, number)
            cells = [wrapped(console, source.texts(), width) for source in shown]
            add_row(grid, [Text("\n").join(lines) for lines in cells])
            yield grid


def columns(available: int, longest: int, most: int) -> int:
    """How many listings fit beside each other into ``available`` columns: 1 to ``most``."""
    needed = min(longest, LEAST)
    return max(1, min(most, (available + GAP) // (needed + GAP)))


def column_width(available: int, number: int) -> int:
    """The width of each of ``number`` columns."""
    return (available - GAP * (number - 1)) // number


def wrapped(console: Console, lines: Sequence[Text], width: int, sign: int = 0) -> list[Text]:
    """``lines`` in ``width`` columns; the rest of a longer one is indented by four more.

    Args:
        console: the console that they are for.
        lines: lines of code, without ends of lines.
        width: the columns of the terminal that they may take.
        sign: the number of characters before the code of each line.
    """
    result: list[Text] = []
    for line in lines:
        if cell_len(line.plain) <= width:
            result.append(line)
            continue
        first = line.wrap(console, width)[0]
        end = len(first.plain)
        end += len(line.plain[end:]) - len(line.plain[end:].lstrip())
        code = line.plain[sign:]
        indent = min(sign + len(code) - len(code.lstrip()) + 4, width // 2)
        rest = line[end:].wrap(console, width - indent)
        result += [first, *(Text.assemble(" " * indent, each) for each in rest)]
    return result


def grid_of(available: int, number: int) -> Table:
    """A grid of ``number`` columns of the same width, with a column as a gap between them.

    Versions of rich differ in the padding of the last column.
    """
    grid = Table.grid()
    for i in range(number):
        if i:
            grid.add_column(width=GAP)
        grid.add_column(width=column_width(available, number), no_wrap=True)
    return grid


def add_row(grid: Table, cells: Sequence[Text]) -> None:
    """Add a row to a grid of ``grid_of``."""
    first, *others = cells
    grid.add_row(first, *(cell for other in others for cell in ("", other)))
