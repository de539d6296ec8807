"""Folders of comparisons that nobody trained: invented losses, written by the project's writers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop import Recipe
from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.rows import row_of_run
from d2ldrop.training import saved_run
from d2ldrop.training.folder import NamedFolder, RunFolder
from d2ldrop.training.run import EpochResult, Run, RunIdentity

STEPS = 10
"""Of an epoch, in all runs here."""

Losses = npt.NDArray[np.float64]


def invented_losses(num_epochs: int, difference: float = 0.0, seed: int = 1) -> Losses:
    """Losses that fall, (num_epochs * STEPS,); each step differs by up to ``difference``."""
    steps = num_epochs * STEPS
    rng = np.random.default_rng(seed)
    growth = np.linspace(0, 1, steps) ** 2
    return 0.4 + np.exp(-np.arange(steps) / 15) + difference * growth * rng.uniform(-1, 1, steps)


def write_comparison(
    folder: Path,
    losses: Mapping[str, Losses],
    dtype: str = "float32",
    speed: Mapping[str, Losses] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Write a comparison with one run per variant.

    Args:
        folder: its folder.
        losses: the loss of each step by variant.
        dtype: of the runs.
        speed: the losses of float32 runs beside them.
        changes: fields of the summary that differ.

    Returns:
        The summary.
    """
    rows = {name: _write_run(folder / name, name, one, dtype) for name, one in losses.items()}
    recipe = _recipe(next(iter(losses.values())), dtype)
    beside = None
    if speed is not None:
        inside = folder / "float32"
        beside = {
            "dtype": "float32",
            "num_epochs": _recipe(next(iter(speed.values())), "float32").num_epochs,
            "backends": {n: _write_run(inside / n, n, one, "float32") for n, one in speed.items()},
        }
    summary: dict[str, Any] = {
        "name": folder.name,
        "folder": str(folder),
        "d2ldrop_version": "0",
        "numpy_version": "0",
        "recipe": recipe.to_dict(),
        "device": "cpu",
        "threads": None,
        "execution": "default",
        "dataset": "stand-in",
        "dataset_sha256": "0" * 64,
        "train_size": 32 * STEPS,
        "test_size": 10,
        "backends": rows,
        "left_out": {},
        "lockstep": [],
        "speed": beside,
        "problem": None,
        "ok": True,
    }
    return NamedFolder(folder, "comparison").write(summary | changes)


def _recipe(losses: Losses, dtype: str) -> Recipe:
    num_epochs = len(losses) // STEPS
    return Recipe(num_epochs=num_epochs, batch_size=32, num_hiddens=(2, 2), dtype=dtype)


def _write_run(folder: Path, name: str, losses: Losses, dtype: str) -> dict[str, Any]:
    variant, recipe = Variant.named(name), _recipe(losses, dtype)
    shapes = {"W1": (784, 2), "b1": (2,), "W2": (2, 2), "b2": (2,), "W3": (2, 10), "b3": (10,)}
    identity = RunIdentity(
        backend=variant.backend,
        implementation=variant.implementation,
        recipe=recipe,
        framework_version="1",
        device="cpu",
        dataset="stand-in",
        dataset_sha256="0" * 64,
        train_size=32 * STEPS,
        test_size=10,
        environment={},
        machine={},
    )
    means = losses.reshape(-1, STEPS).mean(axis=1)
    history = [
        EpochResult(number, float(mean), 1 / (1 + mean), 0.9 / (1 + mean), 1.0 + number / 8)
        if np.isfinite(mean)
        else EpochResult(number, float(mean), 0.1, 0.1, 1.0)
        for number, mean in enumerate(means, 1)
    ]
    weights = {key: np.zeros(shape, dtype) for key, shape in shapes.items()}
    peak = 100_000_000 + 25_000_000 * len(name)
    saved_run.write(folder, Run(identity, weights, losses, history, peak_rss_bytes=peak))
    return row_of_run(RunFolder(folder).read_result())
