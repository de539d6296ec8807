"""Contenders take turns; quartiles, ratios and repeats are computed correctly."""

from __future__ import annotations

from itertools import count

import pytest

from d2ldrop.bench import timing
from d2ldrop.bench.timing import in_turn, ratios, repeats, spread


def test_contenders_take_turns_after_a_warm_up() -> None:
    ticks = count()
    rounds: list[int] = []

    def contender() -> float:
        return float(next(ticks))

    timings = in_turn({"A": contender, "B": contender}, 3, rounds.append)
    assert timings == {"A": [2, 4, 6], "B": [3, 5, 7]}
    assert rounds == [0, 1, 2, 3]


def test_quartiles_ratios_and_repeats_are_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spread([3.0, 1.0, 2.0, 5.0, 4.0]) == (2, 3, 4)
    assert spread([7.0]) == (7, 7, 7)
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2, 3]
    for took, expected in ((0.002, 5), (60.0, 1)):
        monkeypatch.setattr(timing, "seconds", lambda _, took=took: took)
        assert repeats(lambda: None, at_least=0.01) == expected
