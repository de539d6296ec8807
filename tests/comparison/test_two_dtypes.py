"""The main job: results in float64, and a few epochs in float32 for speed and memory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from d2ldrop import Recipe, compare_backends
from d2ldrop.comparison.table import comparison_table
from d2ldrop.data import DataSource
from d2ldrop.training.folder import RunFolder

RECIPE = Recipe(num_epochs=3, num_hiddens=(16, 16), dtype="float64")
DATA = DataSource("stand-in", train_size=600, test_size=100)


def compare(out: Path, **options: Any) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    """Compare NumPy with itself; return the summary, and phase and number of steps of each part."""
    phases = []

    def on_event(_: str, event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["done"] == event["total"]:
            phases.append((event["phase"], event["total"]))

    options = {"speed_epochs": 2, "recipe": RECIPE, "name": "n", **options}
    summary = compare_backends(["numpy"], data=DATA, out=out, on_event=on_event, **options)
    return summary, phases


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Any]:
    out = tmp_path_factory.mktemp("two dtypes")
    return out, *compare(out)


def test_each_variant_has_a_run_in_both_dtypes(compared: tuple[Path, dict[str, Any], Any]) -> None:
    out, summary, _ = compared
    assert summary["ok"]
    speed = summary["speed"]
    assert (speed["dtype"], speed["num_epochs"]) == ("float32", 2)
    for folder, dtype, epochs, row in (
        (out / "n" / "numpy", "float64", 3, summary["backends"]["numpy"]),
        (out / "n" / "float32" / "numpy", "float32", 2, speed["backends"]["numpy"]),
    ):
        result = RunFolder(folder).read_result()
        assert result["recipe"]["dtype"] == dtype
        assert result["recipe"]["num_epochs"] == len(result["epochs"]) == epochs
        assert row["result_digest"] == result["digest"]
    assert len({row["train_loss"] for row in (*summary["backends"].values(), row)}) == 2


def test_speed_comes_first_and_numpys_run_is_the_reference(
    compared: tuple[Path, dict[str, Any], Any],
) -> None:
    """NumPy then takes 100 first steps, 5 short ones and all 9 steps, but only nudged: 3 times."""
    _, summary, phases = compared
    assert phases == [
        ("speed", 6),
        ("train", 9),
        ("lockstep", 105),
        ("lockstep", 4 * 105 + 3 * 9),
    ]
    first, whole = summary["lockstep"]
    assert whole["what"] == "whole run"
    for check in (first, whole):
        assert check["difference"] == {"numpy": 0}
        assert 0 < check["yardstick"] < 1e-9


def test_the_headings_say_which_figure_has_which_dtype(
    compared: tuple[Path, dict[str, Any], Any],
) -> None:
    table = comparison_table(compared[1])
    headings = [" ".join(column.header.split()) for column in table.columns]
    assert headings == [
        *("backend", "version", "train loss float64", "train acc float64", "test acc float64"),
        *("|ΔW| at step 9", "s/epoch float32", "peak MB float32"),
    ]
    assert table.title.endswith("; speed and memory from 2 epochs in float32")


def test_a_resume_repeats_only_what_is_missing(
    compared: tuple[Path, dict[str, Any], Any], tmp_path: Path
) -> None:
    shutil.copytree(compared[0] / "n", tmp_path / "n")
    summary, phases = compare(tmp_path, resume=True)
    assert phases == []
    assert summary["speed"] == compared[1]["speed"]
    shutil.rmtree(tmp_path / "n" / "float32")
    summary, phases = compare(tmp_path, resume=True)
    assert phases[0] == ("speed", 6)
    assert not any(phase == "train" for phase, _ in phases)
    assert summary["speed"]["backends"]["numpy"]["status"] == "ok"
    with pytest.raises(ValueError, match="speed_epochs 2, not 1"):
        compare(tmp_path, resume=True, speed_epochs=1)


@pytest.mark.parametrize(
    ("speed_epochs", "dtype", "message"),
    [
        (1, "float32", "speed_epochs must be 0 with dtype float32, got 1"),
        (-1, "float64", "speed_epochs must be an integer of at least 0, got -1"),
        (1.5, "float64", "speed_epochs must be an integer of at least 0, got 1.5"),
    ],
)
def test_bad_speed_epochs_are_refused(
    tmp_path: Path, speed_epochs: Any, dtype: str, message: str
) -> None:
    recipe = Recipe(dtype=dtype)
    with pytest.raises((ValueError, TypeError), match=message):
        compare(tmp_path, speed_epochs=speed_epochs, recipe=recipe)
    assert not list(tmp_path.iterdir())
