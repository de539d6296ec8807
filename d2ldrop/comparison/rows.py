"""One row of a comparison: the entry of a variant in the summary."""

from __future__ import annotations

import statistics
from typing import Any

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
    }


def row_of_failure(error: Exception) -> dict[str, Any]:
    """The summary's entry of a run whose worker failed or whose results cannot be read."""
    message = str(error)
    if not isinstance(error, (WorkerFailedError, OSError, ValueError)):
        message = f"{type(error).__name__}: {error}"  # the text alone may be 'epochs'
    return {"status": "failed", "error": message}
