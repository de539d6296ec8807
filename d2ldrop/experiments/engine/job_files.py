"""The files of finished runs in an experiment's folder: ``jobs/`` has one sealed file per run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d2ldrop.core.files import (
    SEAL,
    DamagedFileError,
    check_fields,
    damaged,
    read_sealed,
    with_nan,
    write_bytes,
    write_sealed,
)
from d2ldrop.experiments.engine.jobs import ExperimentJob

MEASURED_FIELDS: dict[str, type] = {"test_error": float, "train_loss": float}
"""What every experiment measures; null is NaN."""


class RunAgainWarning(UserWarning):
    """The file of a finished run is damaged, so the run is done again."""


def keep(job: ExperimentJob, result: Mapping[str, Any], folder: Path) -> str | None:
    """Keep a result of ``run_and_measure`` in ``folder``: the measurements, or the worker's log.

    Returns:
        Why the run failed, or why its result cannot be kept; None if all went well.
    """
    file = folder / job.file_name
    log = file.with_suffix(".log")
    if "error" not in result:
        try:
            write_sealed(file, {"job": job.file_name, **result})
            log.unlink(missing_ok=True)  # of an earlier attempt
        except OSError as error:
            return f"its measurements are not saved: {error}"
        return None
    try:
        write_bytes(log, result["log"].encode())
    except OSError as error:
        return f"{result['error']} (its log is not saved: {error})"
    return f"{result['error']} (see {log})"


def read_job(path: Path, job: ExperimentJob) -> dict[str, Any]:
    """The result of ``job``, as ``keep`` wrote it.

    Raises:
        FileNotFoundError: no such file.
        DamagedFileError: the file is damaged, or of another run.
    """
    content = read_sealed(path, {"measured": list})
    if content.get("job", job.file_name) != job.file_name:  # format 1 does not name the job
        raise damaged(path, f"has the result of another run, {content['job']}")
    if not 1 <= len(content["measured"]) <= job.recipe.num_epochs:
        raise damaged(path, f"has measurements of {len(content['measured'])} epochs")
    for epoch in content["measured"]:
        check_fields(path, with_nan(epoch), MEASURED_FIELDS)
    return {name: item for name, item in content.items() if name not in (*SEAL, "job")}


def finished_jobs(folder: Path, jobs: Mapping[str, ExperimentJob]) -> dict[str, dict[str, Any]]:
    """The results in ``folder`` of those ``jobs`` that are finished, by file name.

    Warns:
        RunAgainWarning: a file is damaged; it counts as missing.
    """
    found = {}
    for name, job in jobs.items():
        path = folder / name
        try:
            found[name] = read_job(path, job)
        except FileNotFoundError:
            continue
        except DamagedFileError as error:
            message = f"{path} {error.problem}: its run is done again"
            warnings.warn(message, RunAgainWarning, stacklevel=2)
    return found
