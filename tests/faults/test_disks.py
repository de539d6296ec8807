"""A run on a full disk ends with one line, and goes on when there is room."""

from __future__ import annotations

import pytest

from tests.faults.disks import available, disks


@pytest.mark.slow
@pytest.mark.skipif(not available(), reason="unshare may not mount here")
def test_a_run_on_a_full_disk_goes_on_when_there_is_room() -> None:
    cases = disks([4 * 1024, 100 * 1024, 1024 * 1024])
    assert cases["enough room"] >= 1
    assert cases["refused"] + cases["interrupted"] >= 1
    assert cases["read-only: refused"] == 1
