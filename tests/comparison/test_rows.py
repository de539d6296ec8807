"""The summary's entry of a run has the figures of its last epoch."""

from __future__ import annotations

from d2ldrop.comparison.rows import row_of_run
from tests.training.runs import small_run


def test_a_row_has_the_figures_of_the_last_epoch_and_the_median_time() -> None:
    """Every figure differs from epoch to epoch, so each is from the right one."""
    result = {**small_run("numpy").to_dict(), "digest": "d"}
    figures = [
        {"train_loss": 3.0 - i, "train_accuracy": 0.2 + 0.1 * i, "test_accuracy": 0.3 + 0.1 * i}
        for i in range(3)
    ]
    result["epochs"] = [
        {**one, "seconds": seconds} for one, seconds in zip(figures, (5.0, 9.0, 2.0), strict=True)
    ]
    row = row_of_run(result)
    assert row["status"] == "ok"
    assert row["seconds_per_epoch"] == 5.0
    assert {name: row[name] for name in figures[-1]} == figures[-1]
