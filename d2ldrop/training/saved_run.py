"""The files of one run: how they are written, and how they are read again.

A finished run is ``result.json``, ``trace.npy`` and ``weights.safetensors``. An unfinished run is
``checkpoint.safetensors``. Every file is written whole or not at all, and ``result.json`` last: a
run that has it is complete.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from d2ldrop.core.files import dump_json, read_json, with_nan, write_bytes, write_json
from d2ldrop.core.recipe import NUM_INPUTS, NUM_OUTPUTS
from d2ldrop.training.layer_statistics import EpochActivations
from d2ldrop.training.run import EpochResult, Run, RunIdentity

FORMAT = 1
PARAM_NAMES = ("W1", "b1", "W2", "b2", "W3", "b3")
RESULT, TRACE, WEIGHTS = "result.json", "trace.npy", "weights.safetensors"
CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class SavedRun:
    """A run as its files hold it; the fields are those of ``Run``."""

    identity: RunIdentity
    weights: dict[str, npt.NDArray[Any]]
    trace: npt.NDArray[np.float64]
    history: list[EpochResult]
    activations: list[EpochActivations] | None
    peak_rss_bytes: int


def write(folder: Path, run: Run) -> None:
    """Write a complete run into ``folder``, and remove its checkpoint."""
    write_bytes(folder / WEIGHTS, save(run.weights))
    buffer = io.BytesIO()
    np.save(buffer, run.trace)
    write_bytes(folder / TRACE, buffer.getvalue())
    write_json(folder / RESULT, _with_format(run))
    (folder / CHECKPOINT).unlink(missing_ok=True)


def write_checkpoint(folder: Path, run: Run) -> None:
    """Write a checkpoint from which ``run`` can continue after its last epoch."""
    tensors = {**run.weights, "trace": run.trace}
    write_bytes(folder / CHECKPOINT, save(tensors, {"run": dump_json(_with_format(run))}))


def read(folder: Path) -> SavedRun | None:
    """The run in ``folder``: the finished one, or its checkpoint; None if there is neither."""
    if (folder / RESULT).exists():
        arrays = {**_read_tensors(folder / WEIGHTS)[0], "trace": np.load(folder / TRACE)}
        return _saved_run(read_result(folder), arrays)
    if (folder / CHECKPOINT).exists():
        arrays, metadata = _read_tensors(folder / CHECKPOINT)
        return _saved_run(json.loads(metadata["run"]), arrays)
    return None


def read_result(folder: Path) -> dict[str, Any]:
    """The ``result.json`` of a complete run."""
    result: dict[str, Any] = read_json(folder / RESULT)
    return result


def load_weights(path: Path | str) -> dict[str, npt.NDArray[Any]]:
    """The weights of a ``weights.safetensors``: W1 (784, h1), b1 (h1,), W2 (h1, h2), … b3 (10,).

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file does not hold weights of this network; the message says why.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: expected a weights.safetensors of a run")
    tensors, _ = _read_tensors(path)
    if set(tensors) != set(PARAM_NAMES):
        raise ValueError(
            f"{path} must hold {', '.join(PARAM_NAMES)}, got {', '.join(sorted(tensors))}"
        )
    weights = {name: tensors[name] for name in PARAM_NAMES}
    h1, h2 = weights["b1"].size, weights["b2"].size
    shapes = ((NUM_INPUTS, h1), (h1,), (h1, h2), (h2,), (h2, NUM_OUTPUTS), (NUM_OUTPUTS,))
    for (name, array), shape in zip(weights.items(), shapes, strict=True):
        if array.shape != shape:
            raise ValueError(f"{path}: {name} must have shape {shape}, got {array.shape}")
        if array.dtype != weights["W1"].dtype or array.dtype not in (np.float32, np.float64):
            raise ValueError(
                f"{path}: all weights must be float32 or all float64, {name} is {array.dtype}"
            )
    return weights


def _read_tensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """The arrays and the metadata of a safetensors file."""
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 - safe_open has keys() but is not iterable
    except SafetensorError as error:
        raise ValueError(f"{path} is no intact safetensors file: {error}") from error


def _with_format(run: Run) -> dict[str, Any]:
    return {"format": FORMAT, **run.to_dict()}


def _saved_run(values: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> SavedRun:
    """The run of a result's or a checkpoint's JSON ``values`` and arrays."""
    return SavedRun(
        RunIdentity.from_dict(values),
        {name: arrays[name] for name in PARAM_NAMES},
        arrays["trace"],
        [EpochResult(**epoch) for epoch in with_nan(values["epochs"])],
        with_nan(values.get("activations")),
        values["peak_rss_bytes"],
    )
