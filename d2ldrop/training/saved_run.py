"""The files of one run: how they are written, and how they are read and checked.

A finished run is ``result.json``, ``trace.npy`` and ``weights.safetensors``. An unfinished run is
``checkpoint.safetensors``, with the content of the other three. Every file is written whole or not
at all, and ``result.json`` last: a run that has it is complete.

The JSON is sealed (see ``core.files``), and its field "arrays" has the digest of each array. So
a reader finds every changed bit, and also a file of another run. Files of format 1 have no digests;
they must pass all other checks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.core.files import (
    check_seal,
    damaged,
    dump_json,
    parse_json,
    read_sealed,
    seal,
    write_sealed,
)
from d2ldrop.training.layer_statistics import EpochActivations
from d2ldrop.training.run import EpochResult, Run, RunIdentity
from d2ldrop.training.saved_arrays import (
    Arrays,
    check_described,
    check_finite,
    describe,
    read_metadata,
    read_tensors,
    read_trace,
    write_tensors,
    write_trace,
    write_weights,
)
from d2ldrop.training.saved_result import CheckedResult

RESULT, TRACE, WEIGHTS = "result.json", "trace.npy", "weights.safetensors"
CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class SavedRun:
    """A run as its files hold it.

    Attributes:
        values: the checked JSON, with NaN for each null in "epochs" and "activations".
        identity: the settings of the run.
        weights: the weights after its last epoch.
        trace: the loss of each step, float64, shape (steps,).
    """

    values: dict[str, Any]
    identity: RunIdentity
    weights: Arrays
    trace: npt.NDArray[np.float64]

    @property
    def history(self) -> list[EpochResult]:
        """The result of each epoch; fields of a newer version are left out."""
        known = [field.name for field in fields(EpochResult)]
        return [
            EpochResult(**{name: epoch[name] for name in known}) for epoch in self.values["epochs"]
        ]

    @property
    def activations(self) -> list[EpochActivations] | None:
        """Statistics of the hidden layers after each epoch; None if not recorded."""
        return self.values.get("activations")

    @property
    def peak_rss_bytes(self) -> int:
        """The largest resident memory of the process."""
        return int(self.values["peak_rss_bytes"])


def write(folder: Path, run: Run) -> None:
    """Write a complete run into ``folder``, and remove its checkpoint."""
    write_weights(folder / WEIGHTS, run.weights)
    write_trace(folder / TRACE, run.trace)
    write_sealed(folder / RESULT, _content(run))
    (folder / CHECKPOINT).unlink(missing_ok=True)


def write_checkpoint(folder: Path, run: Run) -> None:
    """Write a checkpoint from which ``run`` can continue after its last epoch."""
    metadata = {"run": dump_json(seal(_content(run)))}
    write_tensors(folder / CHECKPOINT, {**run.weights, "trace": run.trace}, metadata)


def read(folder: Path) -> SavedRun | None:
    """The run in ``folder``: the finished one, or its checkpoint; None if there is neither.

    Raises:
        DamagedFileError: a file is damaged, missing, of another run or of a newer version.
    """
    if (folder / RESULT).exists():
        return _read_finished(folder)
    if (folder / CHECKPOINT).exists():
        return _read_checkpoint(folder / CHECKPOINT)
    return None


def read_result(folder: Path) -> dict[str, Any]:
    """The ``result.json`` of a complete run; the other files are not read.

    Raises:
        FileNotFoundError: the run is not complete.
        DamagedFileError: the file is damaged or of a newer version.
    """
    return _finished(folder).content


def _finished(folder: Path) -> CheckedResult:
    """The ``result.json`` in ``folder``, checked."""
    path, remedy = folder / RESULT, _remedy(folder)
    checked = CheckedResult(path, read_sealed(path, {}, remedy), remedy)
    checked.check_complete()
    return checked


def _read_finished(folder: Path) -> SavedRun:
    checked = _finished(folder)
    weights = read_tensors(folder / WEIGHTS, checked.layout(), checked.remedy)
    trace = read_trace(folder / TRACE, checked.steps(), checked.remedy)
    if checked.described:
        check_described(folder / WEIGHTS, weights, checked.described, checked.remedy)
        check_described(folder / TRACE, {"trace": trace}, checked.described, checked.remedy)
    elif np.isfinite(trace).all():
        check_finite(folder / WEIGHTS, weights, checked.remedy)
    return SavedRun(checked.values, checked.identity, weights, trace)


def _read_checkpoint(path: Path) -> SavedRun:
    remedy = f"delete {path}, and resume=True (--resume) begins the run again"
    text = read_metadata(path, remedy).get("run", "")
    try:
        values = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"has no intact metadata ({error})", remedy) from None
    values = check_seal(path, values, remedy)
    checked = CheckedResult(path, values, remedy)
    layout = checked.layout()
    arrays = read_tensors(path, {**layout, "trace": ("float64", (checked.steps(),))}, remedy)
    weights = {name: arrays[name] for name in layout}
    if checked.described:
        check_described(path, arrays, checked.described, remedy)
    elif np.isfinite(arrays["trace"]).all():
        check_finite(path, weights, remedy)
    return SavedRun(checked.values, checked.identity, weights, arrays["trace"])


def _content(run: Run) -> dict[str, Any]:
    """The JSON of a run before it is sealed."""
    return {**run.to_dict(), "arrays": describe({**run.weights, "trace": run.trace})}


def _remedy(folder: Path) -> str:
    return f"delete the folder {folder}, and resume=True (--resume) trains the run again"
