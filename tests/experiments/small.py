"""Small plans and results that the tests of experiments share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ldrop import Recipe
from d2ldrop.data import DataSource
from d2ldrop.experiments import Results
from d2ldrop.experiments.engine.plan import Plan, plan_experiment
from d2ldrop.training.folder import NamedFolder

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
) -> Plan:
    """Plan an experiment on few images of the stand-in."""
    folder = NamedFolder(out / folder_name, "experiment")
    return plan_experiment(name, folder, backend, recipe, seeds=seeds, data=SOURCE)


def measured(results: Results) -> dict[Any, Any]:
    """Return all measurements of the runs."""
    return {key: run["measured"] for key, run in results.runs.items()}
