"""Tables on narrow terminals: a figure is never cut."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from d2ldrop.comparison.layout import Column, FittedTable, printable

WORDS = st.lists(st.from_regex(r"[a-zé0-9.\-層]{1,9}", fullmatch=True), min_size=1, max_size=3)


def shown(table: FittedTable, width: int) -> str:
    file = io.StringIO()
    Console(width=width, file=file).print(table)
    return file.getvalue()


def example() -> FittedTable:
    columns = [
        Column("name", wraps=True),
        Column("version", hide=1),
        Column("|ΔW| at step 100", right=True, wraps=True),
    ]
    table = FittedTable("A table", columns)
    table.add_row("PaddlePaddle concise", "3.3.1", "1.5e-14")
    table.add_row("NumPy", "2.4.6", Text("2.0e-03 APART", style="bold red"))
    return table


def test_a_wide_terminal_gets_every_column_on_one_line_a_row() -> None:
    text = shown(example(), 120)
    assert re.search(r"│ PaddlePaddle concise │ 3\.3\.1 +│ +1\.5e-14 │", text)
    assert "Hidden" not in text


@pytest.mark.parametrize("width", [40, 44, 60])
def test_text_wraps_before_a_column_is_hidden(width: int) -> None:
    text = shown(example(), width)
    assert "3.3.1" in text
    assert "1.5e-14" in text
    assert max(map(cell_len, text.splitlines())) <= width


def test_a_column_is_hidden_and_named() -> None:
    text = shown(example(), 35)
    assert "Hidden in 35 columns: version." in text
    assert "3.3.1" not in text
    assert "2.0e-03" in text


def test_rows_become_lists_where_no_table_fits() -> None:
    text = shown(example(), 22)
    assert re.search(r"^version +3\.3\.1", text, re.MULTILINE)
    assert "1.5e-14" in text
    assert "│" not in text


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=4), st.integers(30, 130))
def test_no_word_is_cut_at_any_width(rows: list[tuple[list[str], ...]], width: int) -> None:
    """If a column is shown, every word of its cells is there as a whole."""
    columns = [Column("a b", wraps=True), Column("c", wraps=True, right=True), Column("d", hide=1)]
    table = FittedTable("t", columns)
    for row in rows:
        table.add_row(*map(" ".join, row))
    text = shown(table, width)
    words = re.split(r"[\s│]+", text)
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            if column.hide is None or "Hidden" not in text:
                assert set(cell) <= set(words)
    assert max(map(cell_len, text.splitlines())) <= width


def test_cells_are_no_markup_and_no_control_characters() -> None:
    table = FittedTable("[/title]", [Column("[/head]"), Column("version")])
    table.add_row("[/nope]", "1\x1b[31m.0\r")
    text = shown(table, 60)
    assert all(word in text for word in ("[/title]", "[/head]", "[/nope]", r"1\x1b[31m.0\r"))
    assert printable("two\nlines\tand é, 層") == "two\nlines\tand é, 層"
