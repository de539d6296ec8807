"""What differs between two listings: lines, and words within them.

Indentation does not count: one more ``with`` around a block would mark all of its lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

Block = tuple[int, int, int, int]
"""Lines i1 to i2 of the left differ from lines j1 to j2 of the right; the ends are excluded."""
Span = tuple[int, int]
"""The first character and the one after the last."""


@dataclass(frozen=True)
class Row:
    """Two lines beside each other.

    Attributes:
        left, right: the numbers of the lines, from 0; None if that side has no such line.
        differs: whether they differ.
    """

    left: int | None
    right: int | None
    differs: bool


def blocks(left: Sequence[str], right: Sequence[str]) -> list[Block]:
    """The parts of two listings that differ."""
    return [(i1, i2, j1, j2) for tag, i1, i2, j1, j2 in _opcodes(left, right) if tag != "equal"]


def rows(left: Sequence[str], right: Sequence[str]) -> list[Row]:
    """All lines of two listings, aligned."""
    aligned: list[Row] = []
    for tag, i1, i2, j1, j2 in _opcodes(left, right):
        for i, j in zip_longest(range(i1, i2), range(j1, j2)):
            aligned.append(Row(i, j, tag != "equal"))
    return aligned


def differing_words(left: str, right: str) -> tuple[list[Span], list[Span]]:
    """The parts of two lines that differ, in whole words."""
    words = _words(left), _words(right)
    starts = [_starts(each) for each in words]
    spans: tuple[list[Span], list[Span]] = [], []
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            for side, begin, end in ((0, i1, i2), (1, j1, j2)):
                if "".join(words[side][begin:end]).strip():
                    spans[side].append((starts[side][begin], starts[side][end]))
    return spans


def _opcodes(left: Sequence[str], right: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    a, b = ([line.strip() for line in side] for side in (left, right))
    return SequenceMatcher(None, a, b, autojunk=False).get_opcodes()


def _words(line: str) -> list[str]:
    return re.findall(r"^\s+|\w+|\s+|[^\w\s]", line)


def _starts(words: Sequence[str]) -> list[int]:
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word))
    return starts
