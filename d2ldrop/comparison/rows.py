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
