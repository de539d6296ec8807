"""Small plans and made-up results that the tests of this room share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ldrop import Recipe
from d2ldrop.data import DataSource
from d2ldrop.experiments import Results
from d2ldrop.experiments.engine.plan import Plan, plan_experiment

SMALL = Recipe(num_epochs=1, num_hiddens=(16, 16), batch_size=64)
SOURCE = DataSource("stand-in", train_size=200, test_size=100)
OPTIONS = ["--dataset", "stand-in", "--train-size", "200", "--test-size", "100", "--num-epochs"]
OPTIONS += ["1", "--num-hiddens", "16", "16", "--batch-size", "64"]


def plan(
    name: str,
    out: Path,
    folder_name: str = "mine",
    *,
    backend: str = "numpy",
    recipe: Recipe = SMALL,
    seeds: int = 2,
    resume: bool = False,
) -> Plan:
    """Plan an experiment on few images of the stand-in."""
    return plan_experiment(
        name,
        backend,
        recipe,
        seeds=seeds,
        data=SOURCE,
        out=out,
        folder_name=folder_name,
        resume=resume,
    )


def measured(results: Results) -> dict[Any, Any]:
    """Return all measurements of the runs."""
    return {key: run["measured"] for key, run in results.runs.items()}
