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


def shown(of: dict[str, Any]) -> list[list[str]]:
    """The cells of each row, without the header."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table(of))
    lines = [line for line in capture.get().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]


@pytest.mark.parametrize(
    ("kind", "row", "cells"),
    [
        ("train", TRAIN, ["2.00 [2.00–2.00]", "3.50 [3.25–3.75]", "7.00 [6.50–7.50]"]),
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
    del timings["products: a"], timings["products: b"]
    assert floor_of(timings) is None


def test_the_ratio_is_the_time_divided_by_that_of_the_fastest_products() -> None:
    timings = {
        "products: a": [3.0, 3.0],
        "products: b": [2.0, 1.0],
        "d2ldrop": [3.0, 2.0],
        "fit": [6.0, 8.0],
    }
    rows = shown(summary("train", {"timings": timings}))
    assert [ratio[:4] for *_, ratio, _ in rows] == ["2.25", "1.00", "1.75", "5.50"]
    assert [faster[:4] for *_, faster in rows] == ["", "", "", "3.00"]


@pytest.mark.parametrize(
    ("kind", "row", "missing"),
    [
        ("train", {"timings": {"d2ldrop": [2.0]}}, "no products and no usual trainer are known"),
        ("train", {"timings": {"d2ldrop": [2.0], "fit": [3.0]}}, "no products are known"),
        (
            "layer",
            {"cases": [{**LAYER["cases"][0], "timings": {"d2ldrop": [0.001]}}]},
            "its own dropout and its gradients are not known",
        ),
    ],
)
def test_a_framework_without_peers_has_a_row_and_a_remark(
    kind: str, row: dict[str, Any], missing: str
) -> None:
    of_both = summary(kind, row)
    of_both["backends"]["lone"] = of_both["backends"].pop("numpy")
    (cells, *_) = shown(of_both)
    assert cells[0] == "lone"
    assert "–" in cells
    assert f"lone: {missing}. A module in the entry-point group" in "".join(remarks(of_both))


def test_a_dtype_that_one_framework_lacks_leaves_its_cells_empty() -> None:
    wide = {"cases": [*GROWTH["cases"], {**GROWTH["cases"][0], "dtype": "float64"}]}
    both = {"kind": "growth", "rounds": 1, "backends": {"narrow": GROWTH, "wide": wide}}
    assert shown(both) == [
        ["batch size 16", "32", "2.0", "2.0"],
        ["batch size 16", "64", "–", "2.0"],
    ]
