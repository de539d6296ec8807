"""Two listings in a terminal with what differs: beside each other, or as one where it is narrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.style import Style
from rich.text import Text

from d2ldrop.cli.source_columns import Source, add_row, column_width, columns, grid_of, wrapped
from d2ldrop.page.differences import Span, differing_words, rows

SIGNS = (("-", Style(color="#d70087", bold=True)), ("+", Style(color="#008700", bold=True)))
"""The sign before a line that differs, on the left and on the right, and its style."""
SIGN = 2
"""Characters of a sign and the space behind it."""
WORDS = Style(bold=True, underline=True)
"""The style of words that differ."""

Pair = tuple[Text | None, Text | None]
"""Two lines beside each other; None if that side has none."""


@dataclass(frozen=True)
class Difference:
    """Two listings, and what differs."""

    left: Source
    right: Source

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield the headings and the lines."""
        headings = [
            Text.assemble(sign, " ", source.heading())
            for sign, source in zip(SIGNS, (self.left, self.right), strict=True)
        ]
        lines = (*self.left.lines, *self.right.lines)
        longest = max((SIGN + cell_len(line) for line in lines), default=1)
        if columns(options.max_width, longest, 2) == 2:
            grid, width = grid_of(options.max_width, 2), column_width(options.max_width, 2)
            add_row(grid, headings)
            for pair, _ in self._pairs():
                add_row(grid, [_cell(console, line, width) for line in pair])
            yield grid
        else:
            yield from headings
            yield from wrapped(console, _merged(self._pairs()), options.max_width, SIGN)

    def _pairs(self) -> list[tuple[Pair, bool]]:
        """All lines beside each other, with their signs, and whether they differ."""
        left, right = self.left.texts(), self.right.texts()
        pairs: list[tuple[Pair, bool]] = []
        for row in rows([each.plain for each in left], [each.plain for each in right]):
            pair = (
                None if row.left is None else left[row.left],
                None if row.right is None else right[row.right],
            )
            pairs.append((_marked(*pair) if row.differs else _unmarked(*pair), row.differs))
        return pairs


def _unmarked(left: Text | None, right: Text | None) -> Pair:
    return (
        None if left is None else Text.assemble(" " * SIGN, left),
        None if right is None else Text.assemble(" " * SIGN, right),
    )


def _marked(left: Text | None, right: Text | None) -> Pair:
    """The lines with their signs. If there are both, the words that differ are emphasised."""
    spans: tuple[Sequence[Span], Sequence[Span]] = [], []
    if left is not None and right is not None:
        spans = differing_words(left.plain, right.plain)
    return _signed(left, 0, spans[0]), _signed(right, 1, spans[1])


def _signed(line: Text | None, side: int, spans: Sequence[Span]) -> Text | None:
    if line is None:
        return None
    line = line.copy()
    for begin, end in spans:
        line.stylize(WORDS, begin, end)
    return Text.assemble(SIGNS[side], " ", line)


def _cell(console: Console, line: Text | None, width: int) -> Text:
    return Text("\n").join(wrapped(console, [] if line is None else [line], width, SIGN))


def _merged(pairs: Sequence[tuple[Pair, bool]]) -> list[Text]:
    """One listing: of lines that differ, first the left ones, then the right ones."""
    merged: list[Text] = []
    later: list[Text] = []
    for (left, right), differs in pairs:
        if not differs:
            merged += later
            later = []
        if left is not None:
            merged.append(left)
        if right is not None and differs:
            later.append(right)
    return merged + later
