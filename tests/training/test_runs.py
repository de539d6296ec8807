"""The run folder: what is in it, no run overwritten, and a killed run resumed exactly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from d2ldrop import Recipe, Run, initial_weights, load_data, load_weights, train
from d2ldrop.backend import Backend
from d2ldrop.training.folder import write_bytes

RECIPE = Recipe(num_epochs=3, batch_size=32, num_hiddens=(16, 8))


def small_run(backend: str, folder: Path | None = None, **options: Any) -> Run:
    data = load_data("stand-in", train_size=150, test_size=50)
    return train(backend, options.pop("recipe", RECIPE), data=data, folder=folder, **options)


def test_a_run_has_history_weights_and_trace(backend: Backend[Any], backend_name: str) -> None:
    run = small_run(backend_name)
    assert [result.epoch for result in run.history] == [1, 2, 3]
    assert run.trace.dtype == np.float64
    assert run.trace.shape == (15,)  # 150 images make four batches of 32 and one of 22, thrice
    first = np.average(run.trace[:5], weights=[32, 32, 32, 32, 22])
    assert run.history[0].train_loss == pytest.approx(first)
    assert {name: w.shape for name, w in run.weights.items()} == {
        "W1": (784, 16), "b1": (16,), "W2": (16, 8), "b2": (8,), "W3": (8, 10), "b3": (10,),
    }  # fmt: skip
    assert all(w.dtype == np.float32 for w in run.weights.values())


def test_float32_runs_begin_alike_on_every_backend(
    backend: Backend[Any], backend_name: str
) -> None:
    """Before rounding has grown, each step's loss is NumPy's: same weights, batches and masks."""
    np.testing.assert_allclose(small_run(backend_name).trace, small_run("numpy").trace, rtol=1e-4)


def test_native_runs_repeat_but_have_masks_of_their_own(
    backend: Backend[Any], backend_name: str
) -> None:
    recipe = Recipe(num_epochs=2, batch_size=32, num_hiddens=(16, 8), rng="native")
    runs = [small_run(backend_name, recipe=recipe) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].trace, runs[1].trace)
    assert (runs[0].trace != small_run(backend_name).trace[:10]).any()


def test_dropout_1_trains_the_last_bias_alone(backend: Backend[Any], backend_name: str) -> None:
    recipe = Recipe(num_epochs=1, num_hiddens=(16, 8), dropout=(1, 1))
    run = small_run(backend_name, recipe=recipe)
    start = initial_weights(0, recipe.sizes)
    changed = [name for name, w in run.weights.items() if (w != start[name]).any()]
    assert changed == ["b3"]


def test_the_folder_holds_what_readme_says(tmp_path: Path) -> None:
    run = small_run("numpy", tmp_path / "run" / "numpy")
    folder = tmp_path / "run" / "numpy"
    assert sorted(p.name for p in folder.iterdir()) == [
        "result.json",
        "trace.npy",
        "weights.safetensors",
    ]
    result = json.loads((folder / "result.json").read_text())
    assert result["recipe"] == RECIPE.to_dict()
    assert [e["train_loss"] for e in result["epochs"]] == [r.train_loss for r in run.history]
    assert set(result["epochs"][0]) == {
        "epoch", "train_loss", "train_accuracy", "test_accuracy", "seconds",
    }  # fmt: skip
    assert {"numpy_version", "python_version", "d2ldrop_version", "machine"} <= set(result)
    assert result["machine"].keys() == {"platform", "processor", "cores", "python"}
    assert {"format", "backend", "framework_version", "implementation", "dataset", "dtype", "seed",
            "dataset_sha256", "peak_rss_bytes"} <= set(result)  # fmt: skip
    np.testing.assert_array_equal(np.load(folder / "trace.npy"), run.trace)
    for name, w in load_weights(folder / "weights.safetensors").items():
        np.testing.assert_array_equal(w, run.weights[name])


def test_a_run_that_diverges_is_written_as_strict_json(tmp_path: Path) -> None:
    with np.errstate(all="ignore"):
        run = small_run("numpy", tmp_path, recipe=Recipe(num_epochs=2, lr=1e200, dtype="float64"))
    assert np.isnan(run.history[-1].train_loss)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    result = json.loads((tmp_path / "result.json").read_text(), parse_constant=refuse)
    assert result["epochs"][-1]["train_loss"] is None
    again = small_run(
        "numpy", tmp_path, recipe=Recipe(num_epochs=2, lr=1e200, dtype="float64"), resume=True
    )
    assert np.isnan(again.history[-1].train_loss)


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    small_run("numpy", tmp_path)
    before = (tmp_path / "result.json").read_bytes()
    with pytest.raises(FileExistsError, match=r"holds a finished run: --resume .* another --name"):
        small_run("numpy", tmp_path)
    assert (tmp_path / "result.json").read_bytes() == before


def test_a_finished_run_is_kept_when_resumed(tmp_path: Path) -> None:
    first = small_run("numpy", tmp_path)
    again = small_run("numpy", tmp_path, resume=True, on_step=lambda *_: pytest.fail("it trains"))
    assert again.history == first.history
    np.testing.assert_array_equal(again.trace, first.trace)


def test_a_run_from_before_a_field_had_its_default(tmp_path: Path) -> None:
    first = small_run("numpy", tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    del result["recipe"]["noise"]
    (tmp_path / "result.json").write_text(json.dumps(result))
    assert small_run("numpy", tmp_path, resume=True).history == first.history


def test_another_runs_folder_is_refused(tmp_path: Path) -> None:
    small_run("numpy", tmp_path)
    with pytest.raises(ValueError, match=r"holds a run with lr 0.5, not 0.25"):
        small_run(
            "numpy",
            tmp_path,
            recipe=Recipe(num_epochs=3, batch_size=32, num_hiddens=(16, 8), lr=0.25),
            resume=True,
        )
    with pytest.raises(ValueError, match="holds a run with dataset_sha256"):
        train("numpy", RECIPE, data="stand-in", folder=tmp_path, resume=True)


KILLED = """
import os, signal, sys
from d2ldrop import Recipe, load_data, train

def die(done, total):
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

train(sys.argv[1], Recipe(num_epochs=3, batch_size=32, num_hiddens=(16, 8), rng=sys.argv[4]),
      data=load_data("stand-in", train_size=150, test_size=50), folder=sys.argv[2],
      resume=True, on_step=die)
"""


@pytest.mark.parametrize(("step", "rng"), [(3, "shared"), (12, "shared"), (12, "native")])
def test_a_killed_run_resumes_to_the_same_bytes(
    backend: Backend[Any], backend_name: str, tmp_path: Path, step: int, rng: str
) -> None:
    recipe = Recipe(num_epochs=3, batch_size=32, num_hiddens=(16, 8), rng=rng)
    small_run(backend_name, tmp_path / "whole", recipe=recipe)
    killed = tmp_path / "killed"
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        KILLED,
        backend_name,
        str(killed),
        str(step),
        rng,
    ]
    assert (
        subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
        == -signal.SIGKILL
    )
    assert (killed / "checkpoint.safetensors").exists() == (step > 5)
    assert not (killed / "result.json").exists()
    small_run(backend_name, killed, recipe=recipe, resume=True)
    for file in ("trace.npy", "weights.safetensors"):
        assert (killed / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert not (killed / "checkpoint.safetensors").exists()


def test_an_interrupted_run_is_not_overwritten(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, "numpy", str(tmp_path), "12", "shared"]
    subprocess.run(command, check=False)
    with pytest.raises(FileExistsError, match="holds an interrupted run"):
        small_run("numpy", tmp_path)


def test_files_are_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(FileNotFoundError, match="no weights at"):
        load_weights(path)
    path.write_bytes(b"not safetensors at all")
    with pytest.raises(ValueError, match="no intact safetensors file"):
        load_weights(path)
    small_run("numpy", tmp_path)
    good = load_file(path)
    bad: list[tuple[dict[str, Any], str]] = [
        ({"W1": good["W1"]}, "must hold W1, b1, W2, b2, W3, b3, got W1"),
        ({**good, "W2": good["W2"].T}, r"W2 must have shape \(16, 8\), got \(8, 16\)"),
        ({**good, "b3": good["b3"].astype("f8")}, "b3 is float64"),
    ]
    for tensors, message in bad:
        save_file({name: np.ascontiguousarray(w) for name, w in tensors.items()}, path)
        with pytest.raises(ValueError, match=message):
            load_weights(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="no intact safetensors file"):
        load_weights(path)


def test_a_device_that_is_not_there_is_refused(backend: Backend[Any], backend_name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"{backend_name} cannot use device 'gpu:7' here: expected one of cpu"
    ):
        small_run(backend_name, device="gpu:7")
    with pytest.raises(ValueError, match="device must be cpu, gpu or gpu:N, got 'tpu'"):
        small_run(backend_name, device="tpu")
