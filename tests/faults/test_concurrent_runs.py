"""Two processes that start in one folder at the same moment report their own results."""

from __future__ import annotations

import pytest

from tests.faults.concurrent_runs import concurrent_runs


@pytest.mark.slow
def test_two_runs_at_once_report_their_own_losses_or_are_refused() -> None:
    assert concurrent_runs(rounds=1) == {
        "train: both": 1,
        "train --name: one refused": 1,
        "compare: both": 1,
        "compare --name: one refused": 1,
    }
