"""Schedules give the strength of each epoch, and a layer applies its noise to the right array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from d2ldrop.core.noise import LayerNoise, noise_layer, strength


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("early:2", [1, 1, 0, 0, 0]),
        ("late:2", [0, 0, 1, 1, 1]),
        ("linear:4", [1, 0.75, 0.5, 0.25, 0]),
        ("linear:1", [1, 0, 0, 0, 0]),
    ],
)
def test_a_schedule_gives_the_strength_of_each_epoch(schedule: str, expected: list[float]) -> None:
    assert [strength(schedule, epoch) for epoch in range(5)] == expected


H, W = np.full((2, 3), 2.0), np.full((3, 4), 3.0)


@pytest.mark.parametrize(
    ("noise", "expected_H", "expected_W"),
    [
        (LayerNoise(0.5, "mask"), 20.0, 3.0),
        (LayerNoise(), 20.0, 3.0),
        (LayerNoise(0.5, np.full((2, 3), 4.0), "multiply"), 8.0, 3.0),
        (LayerNoise(0.5, np.full((2, 3), 4.0), "add"), 6.0, 3.0),
        (LayerNoise(0.5, np.full((3, 4), 4.0), "weights"), 2.0, 12.0),
    ],
    ids=lambda value: value.kind if isinstance(value, LayerNoise) else str(value),
)
def test_each_kind_of_noise_changes_the_right_array(
    noise: LayerNoise, expected_H: float, expected_W: float
) -> None:
    def dropout_layer(X: Any, dropout: float, *, mask: Any) -> Any:
        assert (dropout, mask) == (noise.dropout, noise.mask)
        return 10 * X

    noisy_H, noisy_W = noise_layer(dropout_layer, H, W, noise)
    assert (noisy_H == expected_H).all()
    assert (noisy_W == expected_W).all()
