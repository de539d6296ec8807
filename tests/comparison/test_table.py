"""The words of a report: what was run, and what its checks say."""

from __future__ import annotations

from typing import Any

from d2ldrop import Recipe
from d2ldrop.comparison.table import remarks, table_title


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


def test_the_title_of_the_books_run() -> None:
    assert table_title(summary("torch")) == (
        "Fashion-MNIST (60,000/10,000 images), 10 epochs, float32, dropout 0.2/0.5, lr 0.5, "
        "batch 256, seed 0, shared masks, cpu"
    )


def test_the_title_says_what_differs() -> None:
    assert "float32, no noise, lr" in table_title(summary("torch", noise="none"))
    title = table_title(summary("torch", noise="unit", max_norm=3, scaling="inverted"))
    assert "float32, unit 0.2/0.5, max norm 3.0, lr 0.5" in title
    assert "scaling" not in title
    assert "native masks" in table_title(summary("torch-concise"))
    assert "shared masks (concise: native)" in table_title(summary("torch", "torch-concise"))


def test_chaos_is_called_by_its_name() -> None:
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
