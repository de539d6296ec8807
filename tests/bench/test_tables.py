"""Tables and remarks of made-up results."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from d2ldrop.bench.tables import floor_of, remarks, table

TRAIN = {"timings": {"products: a": [1.0, 1.0], "d2ldrop": [2.0, 2.0], "fit": [6.0, 8.0]}}
LAYER = {
    "cases": [
        {
            "n": 1000,
            "dropout": 0.5,
            "backward": True,
            "timings": {"d2ldrop": [0.001], "own": [0.002]},
        }
    ]
}
STARTUP = {"timings": {name: [1.0] for name in "abcd"}}
GROWTH = {
    "cases": [
        {"what": "batch_size", "value": 16, "dtype": "float32", "seconds_per_image": [2e-6, 2e-6]}
    ]
}


def summary(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "rounds": 2, "backends": {"numpy": row, "torch": {"error": "no memory"}}}


@pytest.mark.parametrize(
    ("kind", "row", "cells"),
    [
        ("train", TRAIN, ["2.00 [2.00–2.00]", "3.50 [3.25–3.75]"]),
        ("layer", LAYER, ["1000×1000", "forward+backward", "1.00 [1.00–1.00]", "2.00 [2.00–2.00]"]),
        ("startup", STARTUP, ["1.00 [1.00–1.00]"]),
        ("growth", GROWTH, ["batch size 16", "32", "2.0"]),
    ],
)
def test_a_table_omits_frameworks_that_failed(
    kind: str, row: dict[str, Any], cells: list[str]
) -> None:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table(summary(kind, row)))
    shown = capture.get()
    assert "NumPy" in shown
    assert "PyTorch" not in shown
    assert all(cell in shown for cell in cells)
    assert remarks(summary(kind, row)) == ["PyTorch failed: no memory"]


def test_the_lower_bound_is_the_fastest_path() -> None:
    timings = {"products: a": [3.0, 3.0, 1.0], "products: b": [2.0, 2.0, 2.0], "d2ldrop": [1.0]}
    assert floor_of(timings) == "products: b"
