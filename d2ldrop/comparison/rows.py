"""The rows of a comparison: the entries of the variants in the summary."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from d2ldrop.comparison.lockstep import REFERENCE
from d2ldrop.comparison.plan import Variant
from d2ldrop.core.recipe import Recipe
from d2ldrop.processes.launcher import WorkerFailedError


def row_of_run(result: dict[str, Any]) -> dict[str, Any]:
    """The summary's entry of a finished run; ``result`` is the content of its ``result.json``."""
    epochs = result["epochs"]
    return {
        "status": "ok",
        "framework_version": result["framework_version"],
        "seconds_per_epoch": statistics.median(epoch["seconds"] for epoch in epochs),
        "train_loss": epochs[-1]["train_loss"],
        "train_accuracy": epochs[-1]["train_accuracy"],
        "test_accuracy": epochs[-1]["test_accuracy"],
        "peak_rss_bytes": result["peak_rss_bytes"],
        "diverged_after": result.get("diverged_after"),  # an old file lacks both
        "stopped_early": result.get("stopped_early", False),
        "result_digest": result.get("digest"),
    }


def row_of_failure(error: Exception) -> dict[str, Any]:
    """The summary's entry of a run whose worker failed or whose results cannot be read."""
    message = str(error)
    if not isinstance(error, (WorkerFailedError, OSError, ValueError)):
        # The text alone says little, such as 'epochs'.
        message = f"its results cannot be read: {type(error).__name__}: {error}"
    return {"status": "failed", "error": message}


def diverged_unlike_numpy(rows: Mapping[str, Mapping[str, Any]], recipe: Recipe) -> list[str]:
    """The variants whose training diverged although NumPy's did not, or the other way round.

    In float32 the numbers of steps may differ, because rounding errors grow. Only variants from
    scratch with shared masks are judged: the others draw masks of their own.

    Args:
        rows: the entries of the summary.
        recipe: the hyper-parameters.
    """
    numpy = rows.get(REFERENCE.name, {})
    if recipe.rng != "shared" or numpy.get("status") != "ok":
        return []
    return [
        name
        for name, row in rows.items()
        if row["status"] == "ok"
        and Variant.named(name).implementation == REFERENCE.implementation
        and (row["diverged_after"] is None) != (numpy["diverged_after"] is None)
    ]
