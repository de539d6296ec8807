"""Comparisons that nobody trained: invented numbers, written by the project's own writers.

Their files have right digests, so everything that reads a comparison reads them. A folder with six
frameworks and 200 epochs takes about a second.

>>> folder = write_comparison(tmp_path / "name", num_epochs=200, failed=("jax",))  # doctest: +SKIP
>>> results = read_comparison(folder)  # doctest: +SKIP
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop import Recipe
from d2ldrop.comparison.plan import Variant
from d2ldrop.comparison.rows import diverged_unlike_numpy, row_of_failure, row_of_run
from d2ldrop.training import saved_run
from d2ldrop.training.folder import NamedFolder, RunFolder
from d2ldrop.training.run import EpochResult, Run, RunIdentity
from d2ldrop.training.samples import Samples, write_samples

SIX = ("numpy", "torch", "tensorflow", "mxnet", "paddle", "jax")
CONCISE = tuple(f"{name}-concise" for name in SIX)
HIDDEN = (16, 8)
BATCH, STEPS = 32, 10
"""Images of a batch, and steps of an epoch."""
SPEED_EPOCHS = 3

Losses = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MadeUp:
    """What is invented.

    Attributes:
        variants: names such as "torch" and "torch-concise".
        num_epochs: of the runs; those for speed have three.
        dtype: of the runs.
        speed: whether there are also runs in float32 for speed and memory, as in the main job.
        version: the version of each framework.
        failed: variants whose worker failed.
        diverged: variants whose loss is not finite in the second half.
        dataset: the name of the data; "stand-in" is marked on the page.
        samples: whether the runs recorded predictions and masks.
    """

    variants: tuple[str, ...] = SIX
    num_epochs: int = 10
    dtype: str = "float64"
    speed: bool = True
    version: str = "1.0"
    failed: Collection[str] = ()
    diverged: Collection[str] = ()
    dataset: str = "fashion-mnist"
    samples: bool = True


def write_comparison(folder: Path, **options: Any) -> Path:
    """Write a comparison and return its folder; ``options`` are attributes of ``MadeUp``."""
    made = MadeUp(**options)
    recipe = _recipe(made.num_epochs, made.dtype)
    rows = {name: _row(folder / name, name, recipe, made) for name in made.variants}
    unlike = diverged_unlike_numpy(rows, recipe)
    steps = {"first steps": STEPS, "whole run": made.num_epochs * STEPS}
    checks = [_check(what, number, rows) for what, number in steps.items()]
    summary = {
        "name": folder.name,
        "folder": str(folder),
        "d2ldrop_version": "0.1.0",
        "numpy_version": "2.0.0",
        "machine": {"platform": "made up", "processor": "made up", "cores": 2, "python": "3.11"},
        "recipe": recipe.to_dict(),
        "record": [],
        "on_divergence": "continue",
        "device": "cpu",
        "threads": None,
        "execution": "default",
        **_data(made),
        "backends": rows,
        "left_out": {},
        "conformance": {},
        "not_applied": {"device": [], "execution": []},
        "lockstep": checks if made.dtype == "float64" else checks[:1],
        "speed": _speed(folder, made) if made.speed else None,
        "problem": None,
        "diverged_unlike_numpy": unlike,
        "ok": not made.failed and not unlike,
    }
    NamedFolder(folder, "comparison").write(summary)
    return folder


def _speed(folder: Path, made: MadeUp) -> dict[str, Any]:
    recipe = _recipe(SPEED_EPOCHS, "float32")
    rows = {name: _row(folder / "float32" / name, name, recipe, made) for name in made.variants}
    return {"dtype": "float32", "num_epochs": SPEED_EPOCHS, "backends": rows}


def _recipe(num_epochs: int, dtype: str) -> Recipe:
    return Recipe(num_epochs=num_epochs, batch_size=BATCH, num_hiddens=HIDDEN, dtype=dtype)


def _data(made: MadeUp) -> dict[str, Any]:
    sizes = {"train_size": BATCH * STEPS, "test_size": 100}
    return {"dataset": made.dataset, "dataset_sha256": "0" * 64, **sizes}


def _row(folder: Path, name: str, recipe: Recipe, made: MadeUp) -> dict[str, Any]:
    """Write a run and return its row; a failed one has no folder."""
    if name in made.failed:
        return row_of_failure(ValueError(f"the worker of {name} ended with status 1"))
    losses = _losses(name, recipe)
    if name in made.diverged:
        losses[len(losses) // 2 :] = np.nan
    rng = _generator(name)
    identity = _identity(name, recipe, made)
    run = Run(identity, _weights(recipe, rng), losses, _history(losses, rng))
    run.peak_rss_bytes = int(rng.integers(250, 900)) * 10**6
    saved_run.write(folder, run)
    result = RunFolder(folder).read_result()
    if made.samples and run.implementation == "scratch":
        write_samples(folder, _samples(recipe, name in made.diverged), result["digest"])
    return row_of_run(result)


def _generator(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def _losses(name: str, recipe: Recipe) -> Losses:
    """Losses that fall, equal for all variants but for growing rounding errors of the dtype."""
    steps = recipe.num_epochs * STEPS
    noise = np.random.default_rng(0).normal(0, 0.02, steps)
    progress = np.arange(steps) / steps
    rounding = 1e-13 if recipe.dtype == "float64" else 1e-5
    growth = rounding * 10 ** (3 * progress) * _generator(name).uniform(-1, 1, steps)
    losses = 0.35 + 1.95 * np.exp(-6 * progress) + noise
    return losses if name == "numpy" else losses + growth


def _history(losses: Losses, rng: np.random.Generator) -> list[EpochResult]:
    history = []
    for number, mean in enumerate(losses.reshape(-1, STEPS).mean(axis=1), 1):
        accuracy = 1 / (1 + mean / 2) if np.isfinite(mean) else 0.1
        train, test = round(accuracy, 4), round(0.97 * accuracy, 4)
        seconds = 1.5 + rng.uniform(0, 0.3)
        history.append(EpochResult(number, float(mean), train, test, float(seconds)))
    return history


def _identity(name: str, recipe: Recipe, made: MadeUp) -> RunIdentity:
    variant = Variant.named(name)
    return RunIdentity(
        backend=variant.backend,
        implementation=variant.implementation,
        recipe=recipe,
        framework_version=made.version,
        device="cpu",
        **_data(made),
        numpy_version="2.0.0",
        python_version="3.11.7",
        d2ldrop_version="0.1.0",
        environment={},
        machine={},
    )


def _weights(recipe: Recipe, rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    sizes = (784, *HIDDEN, 10)
    weights = {}
    for layer, shape in enumerate(itertools.pairwise(sizes), 1):
        equal = np.random.default_rng(layer).normal(0, 0.1, shape)
        weights[f"W{layer}"] = (equal + rng.normal(0, 1e-12, shape)).astype(recipe.dtype)
        weights[f"b{layer}"] = np.zeros(shape[1], recipe.dtype)
    return weights


def _samples(recipe: Recipe, diverged: bool) -> Samples:
    """Equal for all variants, as the shared masks are."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (10, 784), dtype=np.uint8)
    mean = 0.25 * rng.dirichlet(np.full(10, 0.1), 10) + 0.75 * rng.dirichlet(np.full(10, 0.05), 10)
    mean[2:] = 0.4 * mean[2:] + 0.6 * np.eye(10)[2:]  # most are right
    std = rng.uniform(0, 0.2, (10, 10))
    kept = [1 - p for p in recipe.dropout]
    masks = tuple(rng.random((BATCH, n)) < p for n, p in zip(HIDDEN, kept, strict=True))
    labels = np.arange(10, dtype=np.uint8)
    return Samples(
        images, labels, None if diverged else mean, None if diverged else std, 100, masks
    )


def _check(what: str, steps: int, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A lockstep check that all rows pass but those that diverged."""
    trained = {name: row for name, row in rows.items() if row["status"] == "ok"}
    scratch = {n: row for n, row in trained.items() if Variant.named(n).implementation == "scratch"}
    fine = {name: row["diverged_after"] is None for name, row in scratch.items()}
    difference = {
        name: 0.0 if name == "numpy" else (float(_generator(name).uniform(1, 9)) * 1e-13)
        for name in scratch
    }
    return {
        "what": what,
        "steps": steps,
        "yardstick": 1e-12,
        "limit": 1.001e-11,
        "difference": {name: value if fine[name] else None for name, value in difference.items()},
        "diverged_after": {name: row["diverged_after"] for name, row in scratch.items()},
        "numpy_diverged_after": trained.get("numpy", {}).get("diverged_after"),
        "quantities": {},
        "differs_first": {name: None if fine[name] else "at step 1 in b3" for name in scratch},
        "in_lockstep": fine,
    }
