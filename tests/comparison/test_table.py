"""The title of a table names the run, and the remarks state the results of the checks."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from d2ldrop import Recipe
from d2ldrop.comparison.table import comparison_table, remarks, table_title

CHECK = {
    "what": "first steps",
    "steps": 100,
    "yardstick": 1e-14,
    "limit": 1e-13,
    "difference": {},
    "in_lockstep": {"numpy": False, "torch": False},
}


def summary(*rows: str, **changes: Any) -> dict[str, Any]:
    return {
        "recipe": Recipe(**changes).to_dict(),
        "dataset": "fashion-mnist",
        "train_size": 60_000,
        "test_size": 10_000,
        "device": "cpu",
        "backends": {row: {"status": "ok"} for row in rows},
        "lockstep": [],
        "problem": None,
    }


def test_the_title_names_the_recipe_of_the_book() -> None:
    assert table_title(summary("torch")) == (
        "Fashion-MNIST (60,000/10,000 images), 10 epochs, float32, dropout 0.2/0.5, lr 0.5, "
        "batch 256, seed 0, shared masks, cpu"
    )


def test_the_title_names_the_differences_from_the_book() -> None:
    assert "float32, no noise, lr" in table_title(summary("torch", noise="none"))
    title = table_title(summary("torch", noise="unit", max_norm=3, scaling="inverted"))
    assert "float32, unit 0.2/0.5, max norm 3.0, lr 0.5" in title
    assert "scaling" not in title
    assert "native masks" in table_title(summary("torch-concise"))
    assert "shared masks (concise: native)" in table_title(summary("torch", "torch-concise"))


@pytest.mark.parametrize(
    ("states", "lines"),
    [
        ({}, []),
        ({"own": "not run"}, ["Conformance of own: not run; d2ldrop conformance own judges it."]),
        (
            {"numpy": "passed up to L2 at version 0.1.0", "own": "failed at version 3"},
            [
                "Conformance of NumPy: passed up to L2 at version 0.1.0.",
                "Conformance of own: failed at version 3; d2ldrop conformance own shows where.",
            ],
        ),
        (
            {"own": "not run", "torch": "passed at version 1", "other": "not run"},
            [
                "Conformance of own, other: not run; d2ldrop conformance NAME judges it.",
                "Conformance of PyTorch: passed at version 1.",
            ],
        ),
    ],
    ids=["none", "not run", "failed", "two alike"],
)
def test_a_remark_says_which_backends_conform(states: dict[str, str], lines: list[str]) -> None:
    assert remarks({**summary("numpy"), "conformance": states}) == lines
    assert remarks(summary("numpy")) == []  # an old summary


def test_a_remark_explains_chaos() -> None:
    check = {
        "what": "whole run",
        "steps": 2350,
        "yardstick": 0.5,
        "limit": 1e-8,
        "difference": {"torch": 0.4},
        "in_lockstep": {"torch": False},
    }
    lines = remarks({**summary("torch"), "lockstep": [check]})
    assert "NOT in lockstep: PyTorch" in lines[0]
    assert lines[1].startswith("That is chaos")
    assert len(remarks({**summary("torch"), "lockstep": [{**check, "yardstick": 1e-10}]})) == 1


def test_what_was_not_measured_is_not_in_lockstep() -> None:
    (line,) = remarks({**summary("numpy", "torch"), "lockstep": [CHECK]})
    expected = "After 100 steps in float64 nothing is compared: NumPy, PyTorch did not get so far."
    assert line == expected
    some = {**CHECK, "difference": {"numpy": 0.0}, "in_lockstep": {"numpy": True, "torch": False}}
    (line,) = remarks({**summary("numpy", "torch"), "lockstep": [some]})
    assert line.startswith("After 100 steps in float64 NumPy in lockstep (not measured: PyTorch)")


def test_a_line_says_where_a_row_differs_first() -> None:
    where = "differs first at step 1 in b3 by 1.5e-09 (float32?)"
    check = {
        **CHECK,
        "difference": {"numpy": 0.0, "torch": 2e-15},
        "in_lockstep": {"numpy": True, "torch": False},
        "differs_first": {"numpy": None, "torch": where},
    }
    content = {**finished("1.0", 0.0)[0], "lockstep": [check]}
    assert remarks(content)[1:] == [f"PyTorch {where}."]
    assert "2.0e-15 APART" in printed(content, 120)


def finished(version: str, difference: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """A summary of all frameworks in both implementations, and its rows."""
    names = [
        f"{name}{suffix}"
        for name in ("numpy", "torch", "tensorflow", "mxnet", "paddle")
        for suffix in ("", "-concise")
    ]
    row = {
        "status": "ok",
        "framework_version": version,
        "seconds_per_epoch": 12.34,
        "train_loss": 0.3456,
        "train_accuracy": 0.8765,
        "test_accuracy": 0.8654,
        "peak_rss_bytes": 1_234_000_000,
    }
    whole = {
        **CHECK,
        "difference": dict.fromkeys(names, difference),
        "in_lockstep": dict.fromkeys(names, difference < 1e-8),
    }
    checks = [whole, {**whole, "what": "whole run", "steps": 2350}]
    rows = dict.fromkeys(names, row)
    return {**summary(*names), "backends": rows, "lockstep": checks}, rows


def printed(content: dict[str, Any], width: int) -> str:
    file = io.StringIO()
    Console(width=width, file=file).print(comparison_table(content))
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("difference", [1.5e-14, 2.5e-3], ids=["in lockstep", "apart"])
def test_the_exponent_is_shown_at_every_width(width: int, difference: float) -> None:
    content, rows = finished("2.13.0+cpu", difference)
    text = printed(content, width)
    assert text.count(f"{difference:.1e}") == 2 * len(rows)
    assert text.count("0.8654") == len(rows)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert ("Hidden" in text) == (width < 120)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_failed_row_has_its_status_at_every_width(width: int) -> None:
    content, rows = finished("2.13.0", 1e-14)
    content["backends"] = {**rows, "torch": {"status": "failed", "error": "[/nope] \x1b[2J"}}
    assert printed(content, width).count("failed") == 1
    assert remarks(content)[-1] == r"PyTorch failed: [/nope] \x1b[2J"


def test_markup_in_a_version_is_text() -> None:
    content, rows = finished("[/nope]", 1e-14)
    assert printed(content, 120).count("[/nope]") == len(rows)
