"""The conformance suite finds each fault of a mutant, and says where it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conformance.mutants import (
    HONEST,
    MUTANTS,
    comparable,
    judge,
    mutated,
    row,
    rows,
)

ROWS = rows()


def test_a_copy_without_a_fault_passes(tmp_path: Path) -> None:
    assert judge(HONEST, "mutant_honest", tmp_path) is None


@pytest.mark.slow  # all together; one takes a second
@pytest.mark.parametrize("fault", MUTANTS)
def test_a_fault_is_found_and_the_table_has_its_message(tmp_path: Path, fault: str) -> None:
    mutant = MUTANTS[fault]
    found = judge(mutant, f"mutant{list(MUTANTS).index(fault)}", tmp_path)
    assert found is not None, "the suite passes a backend with this fault"
    assert found.message.startswith(mutant.place), found
    expected = ROWS.get(fault, "no row")
    hint = "python -m tests.conformance.mutants writes the table"
    assert comparable(row(fault, found)) == comparable(expected), hint


@pytest.mark.parametrize("fault", MUTANTS)
def test_a_message_shows_what_was_expected_and_what_came(fault: str) -> None:
    """The messages of the table, which the test above compares with those of the suite."""
    message = ROWS[fault].rsplit(" | ", 1)[1]
    shown = re.search(
        r"expected .+[,;] got |raised \w+: |missing: |import: |the caller's arrays", message
    )
    assert shown, message


def test_the_table_has_no_other_rows() -> None:
    assert list(ROWS) == list(MUTANTS)


def test_a_replacement_must_fit_the_source() -> None:
    with pytest.raises(ValueError, match="expected one 'b' in the source, got 2"):
        mutated("a b b", (("b", "c"),))
