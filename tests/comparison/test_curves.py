"""The picture of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

from d2ldrop.comparison.curves import draw_curves
from tests.comparison.test_table import summary
from tests.training.runs import small_run


def summary_of(folder: Path, *names: str) -> dict[str, Any]:
    return {**summary(*names), "folder": str(folder)}


@pytest.mark.parametrize(("dark", "name"), [(False, "curves.png"), (True, "curves-dark.png")])
def test_a_picture_is_drawn_on_each_background(tmp_path: Path, dark: bool, name: str) -> None:
    small_run("numpy", tmp_path / "numpy")
    small_run("numpy", tmp_path / "numpy-concise", implementation="concise")
    file = draw_curves(summary_of(tmp_path, "numpy", "numpy-concise"), dark=dark)
    assert file is not None
    assert file == tmp_path / name
    corner = matplotlib.image.imread(file)[0, 0, :3]
    assert (corner == (0 if dark else 1)).all()


def test_no_picture_is_drawn_without_a_finished_run(tmp_path: Path) -> None:
    failed = summary_of(tmp_path)
    failed["backends"] = {"numpy": {"status": "failed", "error": "why"}}
    assert draw_curves(failed) is None
    assert list(tmp_path.iterdir()) == []
