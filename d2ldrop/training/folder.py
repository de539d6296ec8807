"""The folder of a run: results, trace, weights, and the checkpoint that a killed run resumes from.

Every file is written whole or not at all. ``result.json`` comes last: where it is, the run is
complete.
"""

from __future__ import annotations

import io
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from d2ldrop.core.recipe import NUM_INPUTS, NUM_OUTPUTS, Recipe
from d2ldrop.training.loop import EpochResult, Run

FORMAT = 1
PARAM_NAMES = ("W1", "b1", "W2", "b2", "W3", "b3")


class RunFolder:
    """One backend's folder of a run, ``runs/<name>/<backend>/``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.result = path / "result.json"
        self.trace = path / "trace.npy"
        self.weights = path / "weights.safetensors"
        self.checkpoint = path / "checkpoint.safetensors"

    def refuse_overwrite(self) -> None:
        """Raise FileExistsError if the folder holds a run, finished or not."""
        for file, state in ((self.result, "a finished"), (self.checkpoint, "an interrupted")):
            if file.exists():
                raise FileExistsError(
                    f"{self.path} holds {state} run: --resume keeps what is there and goes on; "
                    "another --name starts anew"
                )

    def save_checkpoint(self, run: Run) -> None:
        """Keep all that is needed to continue after the last epoch of ``run``."""
        tensors = {**run.weights, "trace": run.trace}
        metadata = {"run": dump_json(_with_format(run))}
        write_bytes(self.checkpoint, save(tensors, metadata))

    def save(self, run: Run) -> None:
        """Write a complete run and drop its checkpoint."""
        write_bytes(self.weights, save(run.weights))
        buffer = io.BytesIO()
        np.save(buffer, run.trace)
        write_bytes(self.trace, buffer.getvalue())
        write_bytes(self.result, dump_json(_with_format(run), indent=2).encode())
        self.checkpoint.unlink(missing_ok=True)

    def restore(self, run: Run) -> None:
        """Set ``run`` to where the folder's run is, if it holds one: the end, or the checkpoint.

        Raises:
            ValueError: the folder's run is another one; the message says in what.
        """
        if self.result.exists():
            saved = json.loads(self.result.read_text())
            tensors = {**_read_tensors(self.weights)[0], "trace": np.load(self.trace)}
        elif self.checkpoint.exists():
            tensors, metadata = _read_tensors(self.checkpoint)
            saved = json.loads(metadata["run"])
        else:
            return
        self._refuse_other_run(run, saved)
        run.trace = tensors.pop("trace")
        run.weights = {name: tensors[name] for name in PARAM_NAMES}
        run.history = [EpochResult(**epoch) for epoch in _with_nan(saved["epochs"])]
        run.activations = _with_nan(saved.get("activations"))
        run.peak_rss_bytes = saved["peak_rss_bytes"]

    def _refuse_other_run(self, run: Run, saved: dict[str, Any]) -> None:
        expected = run.to_dict()
        for key in ("backend", "implementation", "framework_version", "device", "dataset_sha256"):
            if saved[key] != expected[key]:
                raise ValueError(
                    f"{self.path} holds a run with {key} {saved[key]}, not {expected[key]}: "
                    "choose another --name"
                )
        if ("activations" in saved) != ("activations" in expected):
            raise ValueError(
                f"{self.path} holds a run that records activations where this one does not, or the "
                "other way round: choose another --name, or give the same --record"
            )
        recipe = Recipe(**saved["recipe"]).to_dict()  # a field it may lack has its default
        for key, value in expected["recipe"].items():
            if recipe[key] != value:
                raise ValueError(
                    f"{self.path} holds a run with {key} {recipe[key]}, not {value}: "
                    "choose another --name, or give the same options"
                )


def _with_format(run: Run) -> dict[str, Any]:
    return {"format": FORMAT, **run.to_dict()}


def load_weights(path: Path | str) -> dict[str, npt.NDArray[Any]]:
    """The weights of a ``weights.safetensors``: W1 (784, h1), b1 (h1,), W2 (h1, h2), … b3 (10,).

    Raises:
        FileNotFoundError: no such file.
        ValueError: no weights of this network; the message says what is wrong.
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


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whoever reads it or kills us in the middle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes it private
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def dump_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON: a number that is not finite becomes null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False, ensure_ascii=False)


def _with_nan(value: Any) -> Any:
    """What ``dump_json`` has written as null, in lists of dicts of numbers; None stays None."""
    if isinstance(value, dict):
        return {k: math.nan if v is None else _with_nan(v) for k, v in value.items()}
    return [_with_nan(v) for v in value] if isinstance(value, list) else value


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
