"""A small training run, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ldrop import Recipe, Run, load_data, train

RECIPE = Recipe(num_epochs=3, batch_size=32, num_hiddens=(16, 8))


def small_run(backend: str, folder: Path | None = None, **options: Any) -> Run:
    """Train on 150 images of the stand-in."""
    data = load_data("stand-in", train_size=150, test_size=50)
    return train(backend, options.pop("recipe", RECIPE), data=data, folder=folder, **options)
