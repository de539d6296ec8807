"""The checks of functions that training in lockstep does not show; planted faults are in
``tests/comparison/test_faulty_backends.py``."""

from __future__ import annotations

import math
from typing import Any

import pytest

from d2ldrop.backend import Backend
from d2ldrop.training.layer_check import FALSE_ALARM, concise_faults, layer_faults, may_be_rate


def test_every_backend_is_right(backend: Backend[Any]) -> None:
    assert layer_faults(backend) == []
    assert concise_faults(backend) == []


@pytest.mark.parametrize("p", [0.5, 0.3, 0.01])
@pytest.mark.parametrize("n", [60, 1000])
def test_a_correct_generator_is_hardly_ever_called_wrong(n: int, p: float) -> None:
    rejected = [k for k in range(n + 1) if not may_be_rate(k, n, p)]
    alarm = sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in rejected)
    assert rejected
    assert alarm <= FALSE_ALARM


def test_a_wrong_rate_is_noticed() -> None:
    n = 2 * 512 * 512
    assert may_be_rate(round(0.3 * n), n, 0.3)
    assert not may_be_rate(round(0.306 * n), n, 0.3)
    assert not may_be_rate(round(0.294 * n), n, 0.3)
    assert not may_be_rate(0, n, 0.3)
    assert not may_be_rate(n, n, 0.3)
