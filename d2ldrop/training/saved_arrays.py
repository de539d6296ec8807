"""The arrays of a run in files: weights as safetensors, the trace as NPY.

The header of a file is checked first: names, dtypes and shapes. Only arrays of the expected size
are read. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from d2ldrop.core.files import damaged, read_sealed, write_bytes
from d2ldrop.core.recipe import NUM_INPUTS, NUM_OUTPUTS

PARAM_NAMES = ("W1", "b1", "W2", "b2", "W3", "b3")
DTYPES = {"F32": "float32", "F64": "float64"}
"""The dtypes that a file may hold, by the name that safetensors gives them."""
OTHER_WEIGHTS = "give the weights.safetensors of a finished run"
Arrays = dict[str, npt.NDArray[Any]]
Layout = dict[str, tuple[str, tuple[int, ...]]]
"""The dtype and the shape of each array."""


def weights_layout(sizes: Sequence[int], dtype: str) -> Layout:
    """The layout of the weights of a network; ``sizes`` are as in ``Recipe.sizes``."""
    layers = [shape for n, m in pairwise(sizes) for shape in ((n, m), (m,))]
    return {name: (dtype, shape) for name, shape in zip(PARAM_NAMES, layers, strict=True)}


def describe(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Each array's dtype, shape and SHA-256 (of its bytes: C order, little-endian), for JSON."""
    return {
        name: {"dtype": str(array.dtype), "shape": list(array.shape), "sha256": _sha256(array)}
        for name, array in arrays.items()
    }


def check_described(path: Path, arrays: Arrays, described: Any, remedy: str) -> None:
    """Raise DamagedFileError if the arrays of ``path`` are not those that were described."""
    for name, one in describe(arrays).items():
        if not isinstance(described, dict) or described.get(name) != one:
            raise damaged(
                path, f"was changed or damaged, or is of another run: {name} differs", remedy
            )


def write_weights(path: Path, weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write weights with their digest, by which ``load_weights`` finds damage."""
    write_tensors(path, weights, {"digest": _joint_digest(weights)})


def write_tensors(
    path: Path, arrays: Mapping[str, npt.NDArray[Any]], metadata: dict[str, str]
) -> None:
    """Write arrays and metadata as safetensors."""
    write_bytes(path, save(dict(arrays), metadata))


def read_tensors(path: Path, layout: Layout, remedy: str) -> Arrays:
    """The arrays of a safetensors file, which must have this layout.

    Raises:
        DamagedFileError: the file is missing, not intact, or has another layout.
    """
    with _opened(path, remedy) as file:
        _check_layout(path, _layout(file), layout, remedy)
        return {name: file.get_tensor(name) for name in layout}


def read_metadata(path: Path, remedy: str) -> dict[str, str]:
    """The metadata of a safetensors file.

    Raises:
        DamagedFileError: the file is missing or not intact.
    """
    with _opened(path, remedy) as file:
        return file.metadata() or {}


def write_trace(path: Path, trace: npt.NDArray[np.float64]) -> None:
    """Write the loss of each step, shape (steps,), as NPY of little-endian float64."""
    write_bytes(path, _npy(trace))


def read_trace(path: Path, steps: int, remedy: str) -> npt.NDArray[np.float64]:
    """The loss of each step, shape (steps,), as ``write_trace`` wrote it.

    Raises:
        DamagedFileError: the file is missing, or it is not a trace of so many steps.
    """
    if not path.is_file():
        raise damaged(path, "is missing", remedy)
    header = len(_npy(np.empty(0)))
    right_size = path.stat().st_size == header + 8 * steps
    content = path.read_bytes() if right_size else b""
    trace = np.frombuffer(content[header:], "<f8")
    if content != _npy(trace):
        raise damaged(path, f"must be float64 of shape ({steps},) in the format NPY", remedy)
    return trace.astype(np.float64)


def load_weights(path: Path | str, *, finite: bool = True) -> Arrays:
    """The weights of a ``weights.safetensors``: W1 (784, h1), b1 (h1,), W2 (h1, h2), … b3 (10,).

    Args:
        path: the file. A digest in its metadata is checked, and also the digests in a
            ``result.json`` beside it. Files of other programs need neither.
        finite: refuse weights that are NaN or infinite, as those of a run that diverged.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file does not hold weights of this network; the message says why.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: expected a weights.safetensors of a run")
    with _opened(path, OTHER_WEIGHTS) as file:
        found, metadata = _layout(file), file.metadata() or {}
    weights = read_tensors(path, _expected_layout(path, found), OTHER_WEIGHTS)
    if metadata.get("digest", _joint_digest(weights)) != _joint_digest(weights):
        raise damaged(path, "was changed or damaged: its digest does not match", OTHER_WEIGHTS)
    result = path.with_name("result.json")
    if result.is_file():  # a run's folder: the weights must be those of this run
        described = read_sealed(result, {}).get("arrays")
        if described is not None:
            check_described(path, weights, described, OTHER_WEIGHTS)
    if finite:
        check_finite(path, weights, OTHER_WEIGHTS)
    return weights


def check_finite(path: Path, weights: Arrays, remedy: str) -> None:
    """Raise DamagedFileError if a weight is NaN or infinite."""
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise damaged(path, f"has NaN or infinite values in {name}", remedy)


def _expected_layout(path: Path, found: Layout) -> Layout:
    """The layout of weights with as many units and the dtype as a file's layout has."""
    if set(found) != set(PARAM_NAMES):
        names = ", ".join(sorted(found)) or "no array"
        raise damaged(path, f"must hold {', '.join(PARAM_NAMES)}, got {names}", OTHER_WEIGHTS)
    dtype = found["W1"][0]
    if dtype not in DTYPES.values():
        raise damaged(path, f"must be float32 or float64, W1 is {dtype}", OTHER_WEIGHTS)
    units = [int(np.prod(found[name][1])) for name in ("b1", "b2")]
    if 0 in units:
        raise damaged(path, f"has a hidden layer without units: {units}", OTHER_WEIGHTS)
    return weights_layout((NUM_INPUTS, *units, NUM_OUTPUTS), dtype)


def _check_layout(path: Path, found: Layout, expected: Layout, remedy: str) -> None:
    if set(found) != set(expected):
        names = ", ".join(sorted(found)) or "no array"
        raise damaged(path, f"must hold {', '.join(expected)}, got {names}", remedy)
    for name, (dtype, shape) in expected.items():
        if found[name][1] != shape:
            raise damaged(path, f"must have {name} of shape {shape}, got {found[name][1]}", remedy)
        if found[name][0] != dtype:
            raise damaged(path, f"must have {name} of {dtype}, got {found[name][0]}", remedy)


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[Any]:
    """The open safetensors file."""
    if not path.is_file():
        raise damaged(path, "is missing", remedy)
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except SafetensorError as error:
        raise damaged(path, f"is no intact safetensors file ({error})", remedy) from error


def _layout(file: Any) -> Layout:
    layout: Layout = {}
    for name in file.keys():  # noqa: SIM118 - safe_open has keys() but is not iterable
        array = file.get_slice(name)
        dtype = array.get_dtype()
        layout[name] = DTYPES.get(dtype, dtype), tuple(array.get_shape())
    return layout


def _npy(trace: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, trace.astype("<f8"), allow_pickle=False)
    return buffer.getvalue()


def _sha256(array: npt.NDArray[Any]) -> str:
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(little.data if little.size else b"").hexdigest()


def _joint_digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    text = json.dumps(describe(arrays), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
