"""The files of finished runs in an experiment's folder: ``jobs/`` has one sealed file per run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d2ldrop.core.files import (
    SEAL,
    DamagedFileError,
    check_fields,
    damaged,
    read_sealed,
    with_nan,
    write_sealed,
)

if TYPE_CHECKING:
    from d2ldrop.experiments.engine.jobs import ExperimentJob

MEASURED_FIELDS: dict[str, type] = {"test_error": float, "train_loss": float}
"""What every experiment measures; null is NaN."""


class RunAgainWarning(UserWarning):
    """The file of a finished run is damaged, so the run is done again."""


def write_job(path: Path, job: ExperimentJob, result: Mapping[str, Any]) -> None:
    """Write the result of ``job``."""
    write_sealed(path, {"job": job.file_name, **result})


def read_job(path: Path, job: ExperimentJob) -> dict[str, Any]:
    """The result of ``job``, as ``write_job`` wrote it.

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
