"""A killed run resumes to the bytes of a run that nobody has disturbed."""

from __future__ import annotations

import pytest

from tests.faults.kills import kills


@pytest.mark.slow
def test_killed_runs_resume_to_the_same_bytes(backend_name: str) -> None:
    cases, failures = kills(2, [backend_name])
    assert failures == []
    assert cases.total() == 2
