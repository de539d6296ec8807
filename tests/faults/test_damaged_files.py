"""Damaged files of saved state are refused by name; none is believed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.damaged_files import (
    AGAIN,
    BELIEVED,
    DAMAGES,
    REFUSED,
    SAME,
    Target,
    damage_files,
    flip_bits,
    small_runs,
)

CASES = 600


@pytest.fixture(scope="module")
def targets() -> Iterator[list[Target]]:
    with small_runs() as made:
        yield made


def test_no_damaged_file_is_believed(targets: list[Target]) -> None:
    counts, findings = damage_files(targets, CASES)
    assert findings == []
    assert counts.total() == CASES
    assert {outcome for _, outcome in counts} <= {REFUSED, SAME, AGAIN}
    assert {damage for damage, _ in counts} == {damage.__name__ for damage in DAMAGES}
    assert all(counts[damage.__name__, REFUSED] for damage in DAMAGES)


def test_the_files_are_as_before(targets: list[Target]) -> None:
    before = [target.reader(target.folder) for target in targets]
    damage_files(targets, 20, seed=5)
    assert [target.reader(target.folder) for target in targets] == before


def test_the_harness_finds_a_reader_that_believes(
    targets: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the digests of arrays, flipped bits in a trace are believed."""
    monkeypatch.setattr("d2ldrop.training.saved_run.check_described", lambda *_: None)
    runs = [target for target in targets if target.name.startswith("finished run")]
    _, findings = damage_files(runs, 60, damages=[flip_bits])
    assert {finding.outcome for finding in findings} == {BELIEVED}
