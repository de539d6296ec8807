"""The files of a run are believed only if they are whole, of one run and of a known format."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from d2ldrop import Recipe, load_weights
from d2ldrop.core.files import DamagedFileError, seal, write_sealed
from d2ldrop.training import saved_run
from d2ldrop.training.folder import RunFolder
from tests.training.runs import RECIPE, small_run

Change = Callable[[Path], Any]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "numpy"
    small_run("numpy", folder, record=("activations",))
    return folder


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint after two of three epochs."""
    folder = tmp_path_factory.mktemp("interrupted") / "numpy"
    with pytest.raises(KeyboardInterrupt):
        small_run("numpy", folder, on_epoch=_interrupt)
    return folder


def _interrupt(result: Any) -> None:
    if result.epoch == 2:
        raise KeyboardInterrupt


def damaged_copy(original: Path, tmp_path: Path, change: Change) -> Path:
    copy = tmp_path / "numpy"
    shutil.copytree(original, copy)
    change(copy)
    return copy


def edit(**values: Any) -> Change:
    """Change fields of ``result.json`` and seal it again; None removes a field."""

    def change(folder: Path) -> None:
        result = {**json.loads((folder / "result.json").read_text()), **values}
        write_sealed(folder / "result.json", {k: v for k, v in result.items() if v is not None})

    return change


def edit_1(**values: Any) -> Change:
    """Change fields of ``result.json`` and write it as it was before there were digests."""

    def change(folder: Path) -> None:
        result = {**json.loads((folder / "result.json").read_text()), "format": 1, **values}
        for name in ("digest", "arrays"):
            result.pop(name, None)
        (folder / "result.json").write_text(json.dumps(result))

    return change


format_1 = edit_1()


def flip(name: str, position: int = -5) -> Change:
    """Flip one bit of a file."""

    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[position] ^= 1
        (folder / name).write_bytes(content)

    return change


def epochs(*numbers: int, **changes: Any) -> list[dict[str, Any]]:
    metrics = {"train_loss": 1.0, "train_accuracy": 0.5, "test_accuracy": 0.5, "seconds": 1.0}
    return [{"epoch": number, **metrics, **changes} for number in numbers]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (flip("result.json"), "result.json was changed or damaged"),
        (flip("trace.npy"), "trace.npy was changed or damaged, or is of another run: trace differ"),
        (flip("trace.npy", 40), r"trace.npy must be float64 of shape \(15,\) in the format NPY"),
        (flip("weights.safetensors"), "weights.safetensors was changed or damaged, .*: b3 differs"),
        (lambda folder: (folder / "trace.npy").unlink(), "trace.npy is missing"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "weights.safetensors is missin"),
        (lambda folder: (folder / "result.json").write_text(""), "result.json is empty"),
        (edit(epochs=None), "result.json lacks the field 'epochs'"),
        (edit(epochs=epochs(1, 2, 2)), "must have epoch 3 at this place, got 2"),
        (edit(epochs=epochs(1, 2), activations=None), "must have 3 epochs, got 2"),
        (edit(epochs=[]), "must have 1 to 3 epochs, got 0"),
        (edit(epochs=epochs(1, 2, 3, 4)), "must have 1 to 3 epochs, got 4"),
        (edit(epochs=[1, 2, 3]), "must hold a JSON object, got 1"),
        (edit(activations=[]), "must have activations of 3 epochs, got 0"),
        (edit(recipe=[1]), r"must have an object in 'recipe', got \[1\]"),
        (edit(recipe={"lr": -1}), r"has an invalid recipe \(lr must be"),
        (edit(recipe={"depth": 3}), r"has an invalid recipe \(.*unexpected keyword argument"),
        (edit(recipe={**RECIPE.to_dict(), "dtype": "float64"}), "has two values of dtype"),
        (
            edit(recipe={**RECIPE.to_dict(), "dtype": "float64"}, dtype="float64"),
            "must have W1 of float64, got float32",
        ),
        (
            edit(recipe={**RECIPE.to_dict(), "num_hiddens": [16, 9]}),
            r"must have W2 of shape \(16, 9\), got \(16, 8\)",
        ),
        (edit(train_size=10**20), "trace.npy must be float64 of shape"),
        (edit(train_size=0), "must have a positive train_size, got 0"),
        (edit(peak_rss_bytes=-1), "must have a peak_rss_bytes of 0 to .*, got -1"),
        (edit(peak_rss_bytes=10**400), "must have a peak_rss_bytes of 0 to .*, got 10"),
        (edit(epochs=epochs(1, 2, 3, seconds=None)), "must have seconds of 0 to .*, got nan"),
        (edit(epochs=epochs(1, 2, 3, seconds=-1.0)), "must have seconds of 0 to .*, got -1"),
        (edit(epochs=epochs(1, 2, 3, train_loss=10**400)), "must have a number in 'train_loss'"),
    ],
)
def test_a_damaged_run_is_named(
    finished: Path, tmp_path: Path, change: Change, problem: str
) -> None:
    folder = damaged_copy(finished, tmp_path, change)
    remedy = rf": delete the folder {folder}, and resume=True \(--resume\) trains the run again"
    with pytest.raises(DamagedFileError, match=rf"{folder}/.*{problem}.*{remedy}"):
        saved_run.read(folder)


def test_a_newer_format_is_refused_by_name(finished: Path, tmp_path: Path) -> None:
    folder = damaged_copy(finished, tmp_path, edit_1(format=3))
    with pytest.raises(DamagedFileError, match=r"result.json has format 3, written by a newer ver"):
        saved_run.read(folder)


def test_a_remedy_works(finished: Path, tmp_path: Path) -> None:
    folder = damaged_copy(finished, tmp_path, flip("weights.safetensors"))
    with pytest.raises(DamagedFileError):
        small_run("numpy", folder, record=("activations",), resume=True)
    shutil.rmtree(folder)
    small_run("numpy", folder, record=("activations",), resume=True)
    name = "weights.safetensors"
    assert (folder / name).read_bytes() == (finished / name).read_bytes()


@pytest.mark.parametrize("file", ["result.json", "trace.npy", "weights.safetensors"])
def test_a_file_of_another_run_is_found(finished: Path, tmp_path: Path, file: str) -> None:
    small_run("numpy", tmp_path / "other", recipe=Recipe(**{**RECIPE.to_dict(), "seed": 1}))
    folder = damaged_copy(finished, tmp_path, lambda f: shutil.copy(tmp_path / "other" / file, f))
    with pytest.raises(DamagedFileError, match="is of another run"):
        saved_run.read(folder)


def test_a_run_of_format_1_is_still_read(finished: Path, tmp_path: Path) -> None:
    folder = damaged_copy(finished, tmp_path, format_1)
    new, old = saved_run.read(finished), saved_run.read(folder)
    assert new is not None
    assert old is not None
    assert old.history == new.history
    np.testing.assert_array_equal(old.trace, new.trace)
    again = small_run("numpy", folder, record=("activations",), resume=True)
    assert again.history == new.history


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (edit_1(epochs=epochs(1, 1, 2)), "must have epoch 2 at this place, got 1"),
        (lambda folder: np.save(folder / "trace.npy", np.zeros(14)), r"of shape \(15,\)"),
        (lambda folder: np.save(folder / "trace.npy", np.zeros(15, "f4")), "must be float64"),
        (
            lambda folder: np.save(folder / "trace.npy", np.array([{}] * 15), allow_pickle=True),
            "must be float64",
        ),
        (
            lambda folder: save_file(
                {
                    **load_file(folder / "weights.safetensors"),
                    "b3": np.full(10, np.nan, np.float32),
                },
                folder / "weights.safetensors",
            ),
            "weights.safetensors has NaN or infinite values in b3",
        ),
    ],
)
def test_format_1_passes_all_other_checks(
    finished: Path, tmp_path: Path, change: Change, problem: str
) -> None:
    folder = damaged_copy(finished, tmp_path, format_1)
    change(folder)
    with pytest.raises(DamagedFileError, match=problem):
        saved_run.read(folder)


def checkpoint_with(folder: Path, values: Any = None, **arrays: Any) -> None:
    """Write the checkpoint again with other arrays or another JSON."""
    path = folder / "checkpoint.safetensors"
    metadata = {"run": json.dumps(_metadata(path) if values is None else values)}
    save_file({**load_file(path), **arrays}, path, metadata)


def _metadata(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    run: dict[str, Any] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["run"])
    return run


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda folder: checkpoint_with(folder, {}), "has no fields"),
        (lambda folder: checkpoint_with(folder, []), "must hold a JSON object"),
        (lambda folder: checkpoint_with(folder, seal({"epochs": []})), "lacks the field 'backend'"),
        (lambda folder: checkpoint_with(folder, b3=np.zeros(10, "f4")), "b3 differs"),
        (lambda folder: checkpoint_with(folder, b3=np.zeros(10)), "must have b3 of float32"),
        (lambda folder: checkpoint_with(folder, trace=np.zeros(9)), "must have trace of shape"),
        (lambda folder: checkpoint_with(folder, more=np.zeros(9)), "must hold W1, b1"),
        (
            lambda folder: save_file(
                load_file(folder / "checkpoint.safetensors"), folder / "checkpoint.safetensors"
            ),
            "has no intact metadata",
        ),
        (flip("checkpoint.safetensors", 3), "is no intact safetensors file"),
        (
            flip("checkpoint.safetensors"),
            "was changed or damaged, or is of another run: b3 differs",
        ),
        (
            lambda folder: (folder / "checkpoint.safetensors").write_bytes(b""),
            "is no intact safetensors file",
        ),
    ],
)
def test_a_damaged_checkpoint_is_named(
    interrupted: Path, tmp_path: Path, change: Change, problem: str
) -> None:
    folder = damaged_copy(interrupted, tmp_path, change)
    remedy = r": delete .*checkpoint.safetensors, and resume=True \(--resume\) begins the run again"
    with pytest.raises(DamagedFileError, match=f"checkpoint.safetensors .*{problem}.*{remedy}"):
        small_run("numpy", folder, resume=True)


def test_a_checkpoint_is_of_its_dtype(interrupted: Path, tmp_path: Path) -> None:
    """A float64 checkpoint does not continue as a float32 run."""
    values = _metadata(interrupted / "checkpoint.safetensors")
    values = {**values, "dtype": "float64", "recipe": {**values["recipe"], "dtype": "float64"}}
    folder = damaged_copy(interrupted, tmp_path, lambda f: checkpoint_with(f, seal(values)))
    with pytest.raises(DamagedFileError, match="must have W1 of float64, got float32"):
        RunFolder(folder).refuse_other({})


def with_header(path: Path, dtype: str, width: int) -> None:
    """Write weights of one hidden unit in a dtype that NumPy lacks."""
    header, start = {}, 0
    for name, shape in {
        "W1": (784, 1), "b1": (1,), "W2": (1, 1), "b2": (1,), "W3": (1, 10), "b3": (10,),
    }.items():  # fmt: skip
        end = start + int(np.prod(shape)) * width
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(start))


@pytest.mark.parametrize(("dtype", "width"), [("BF16", 2), ("F16", 2), ("F8_E4M3", 1), ("I32", 4)])
def test_weights_of_other_dtypes_are_refused(tmp_path: Path, dtype: str, width: int) -> None:
    path = tmp_path / "weights.safetensors"
    with_header(path, dtype, width)
    problem = f"must be float32 or float64, W1 is {dtype}"
    if dtype == "F8_E4M3":
        problem += "|is no intact safetensors file .*"  # an old safetensors does not know it
    with pytest.raises(ValueError, match=rf"{path} ({problem}): give the weights"):
        load_weights(path)


def test_weights_without_units_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    shapes = {"W1": (784, 0), "b1": (0,), "W2": (0, 8), "b2": (8,), "W3": (8, 10), "b3": (10,)}
    save_file({name: np.zeros(shape) for name, shape in shapes.items()}, path)
    with pytest.raises(ValueError, match=r"has a hidden layer without units: \[0, 8\]"):
        load_weights(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(
    finished: Path, tmp_path: Path, bad: float
) -> None:
    path = tmp_path / "weights.safetensors"
    weights = load_file(finished / path.name)
    weights["W2"][0, 0] = bad
    save_file(weights, path)
    with pytest.raises(ValueError, match=rf"{path} has NaN or infinite values in W2: give"):
        load_weights(path)
    assert not np.isfinite(load_weights(path, finite=False)["W2"]).all()


def test_changed_weights_are_found_without_their_run(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    shutil.copy(finished / path.name, path)
    load_weights(path)
    flip(path.name)(tmp_path)
    with pytest.raises(DamagedFileError, match=r"weights.safetensors was changed or damaged"):
        load_weights(path)
