"""The folders of runs: their files, their refusals, and how runs resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from d2ldrop import Recipe, load_weights, train
from d2ldrop.backend import Backend
from d2ldrop.core.files import write_sealed
from d2ldrop.core.locks import FolderInUseError
from d2ldrop.core.machine import THREAD_VARIABLES
from d2ldrop.training.differences import first_difference
from d2ldrop.training.folder import NamedFolder, RunFolder
from tests.training.runs import RECIPE, small_run


def test_the_folder_has_the_documented_files(tmp_path: Path) -> None:
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
    with pytest.raises(FileExistsError, match=r"holds a finished run: resume=True \(--resume\) "):
        small_run("numpy", tmp_path)
    assert (tmp_path / "result.json").read_bytes() == before


def test_a_finished_run_is_kept_when_resumed(tmp_path: Path) -> None:
    first = small_run("numpy", tmp_path)
    again = small_run("numpy", tmp_path, resume=True, on_step=lambda *_: pytest.fail("it trains"))
    assert again.history == first.history
    np.testing.assert_array_equal(again.trace, first.trace)


def test_a_field_that_an_old_run_lacks_has_its_default(tmp_path: Path) -> None:
    first = small_run("numpy", tmp_path)
    recipe = {name: value for name, value in RECIPE.to_dict().items() if name != "noise"}
    change(tmp_path, recipe=recipe)
    assert small_run("numpy", tmp_path, resume=True).history == first.history


def test_the_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    small_run("numpy", tmp_path)
    with pytest.raises(ValueError, match=r"holds a run with lr \(--lr\) 0\.5, not 0\.25: "):
        small_run(
            "numpy",
            tmp_path,
            recipe=Recipe(num_epochs=3, batch_size=32, num_hiddens=(16, 8), lr=0.25),
            resume=True,
        )
    with pytest.raises(ValueError, match=r"with train_size \(--train-size\) 150, not 60000"):
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


def test_files_without_valid_weights_are_refused(tmp_path: Path) -> None:
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
        ({**good, "W2": good["W2"].T}, r"must have W2 of shape \(16, 8\), got \(8, 16\)"),
        ({**good, "b3": good["b3"].astype("f8")}, "must have b3 of float32, got float64"),
    ]
    for tensors, message in bad:
        save_file({name: np.ascontiguousarray(w) for name, w in tensors.items()}, path)
        with pytest.raises(ValueError, match=message):
            load_weights(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="no intact safetensors file"):
        load_weights(path)


def change(folder: Path, **values: Any) -> None:
    """Change fields of a finished run's ``result.json``; None removes one."""
    file = folder / "result.json"
    result = {**json.loads(file.read_text()), **values}
    write_sealed(file, {k: v for k, v in result.items() if v is not None})


@pytest.mark.parametrize("name", ["framework_version", "numpy_version", "d2ldrop_version"])
def test_a_run_of_another_version_is_refused(tmp_path: Path, name: str) -> None:
    small_run("numpy", tmp_path)
    change(tmp_path, **{name: "0.0.1"})
    with pytest.raises(ValueError, match=rf"holds a run with {name} 0\.0\.1, not "):
        small_run("numpy", tmp_path, resume=True)


def test_fields_without_influence_on_numbers_may_differ(tmp_path: Path) -> None:
    first = small_run("numpy", tmp_path)
    change(tmp_path, python_version="3.0", machine={"cores": 1000})
    assert small_run("numpy", tmp_path, resume=True).history == first.history


def test_fields_that_an_old_folder_lacks_are_not_compared(tmp_path: Path) -> None:
    first = small_run("numpy", tmp_path, record=("activations",))
    old = ("record", "numpy_version", "python_version", "d2ldrop_version", "environment", "machine")
    change(tmp_path, **dict.fromkeys(old))
    again = small_run("numpy", tmp_path, resume=True, record=("activations",))
    assert again.history == first.history
    with pytest.raises(ValueError, match=r"with record \(--record\) activations, not unset"):
        small_run("numpy", tmp_path, resume=True)


@pytest.mark.parametrize("variable", [THREAD_VARIABLES[0], "MKL_DEBUG_CPU_TYPE"])
def test_other_numeric_variables_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv(variable, raising=False)
    small_run("numpy", tmp_path)
    monkeypatch.setenv(variable, "5")
    with pytest.raises(ValueError, match=f"holds a run with {variable} unset, not 5"):
        small_run("numpy", tmp_path, resume=True)


def test_variables_that_only_change_speed_may_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = small_run("numpy", tmp_path)
    for variable in ("OMP_WAIT_POLICY", "GLIBC_TUNABLES", "MXNET_ENGINE_TYPE"):
        monkeypatch.setenv(variable, "other")
    assert small_run("numpy", tmp_path, resume=True).history == first.history


def test_an_interrupted_run_is_compared_too(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, "numpy", str(tmp_path), "12", "shared"]
    subprocess.run(command, check=False)
    with pytest.raises(ValueError, match=r"holds a run with lr \(--lr\) 0\.5, not 0\.25"):
        small_run("numpy", tmp_path, recipe=replace(RECIPE, lr=0.25), resume=True)


def test_the_first_difference_is_found_in_nested_fields() -> None:
    kept = {"backend": "torch", "environment": {"A": None, "B": "1"}, "only here": 1}
    assert first_difference(kept, kept) is None
    assert first_difference(kept, {"newer": 2, "backend": "torch"}) is None
    assert first_difference(kept, {"environment": {"A": None, "B": "2"}}) == ("B", "1", "2")
    assert first_difference(kept, {"environment": {"A": "5"}}) == ("A", None, "5")


@pytest.mark.parametrize(
    ("kind", "file", "phrase"),
    [
        ("comparison", "summary.json", "a comparison"),
        ("experiment", "plan.json", "an experiment"),
        ("benchmark", "bench.json", "a benchmark"),
        ("run", "numpy/result.json", "a finished run"),
        ("run", "numpy/checkpoint.safetensors", "an interrupted run"),
    ],
)
def test_no_kind_of_run_overwrites_another(
    tmp_path: Path, kind: str, file: str, phrase: str
) -> None:
    path = tmp_path / "name" / file
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    for claiming in ("run", "comparison", "experiment", "benchmark"):
        with (
            pytest.raises(FileExistsError, match=f"holds {phrase}: "),
            NamedFolder.claim(claiming, tmp_path, "name"),
        ):
            pass
        together = kind == claiming or {kind, claiming} == {"run", "comparison"}
        with ExitStack() as stack:
            if not (together or kind == "run"):
                expected = f"holds {phrase}, not an? {claiming}"
                stack.enter_context(pytest.raises(ValueError, match=expected))
            with NamedFolder.claim(claiming, tmp_path, "name", resume=True):
                pass
    assert path.read_text() == "{}"


def test_a_new_folder_that_stays_empty_is_removed(tmp_path: Path) -> None:
    with NamedFolder.claim("comparison", tmp_path / "runs", "new") as folder:
        assert folder.path == tmp_path / "runs" / "new"
        assert folder.read() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "name must be a plain folder name, got ''"),
        ({"name": ".."}, "name must be a plain folder name, got '..'"),
        ({"name": "a/b"}, "name must be a plain folder name, got 'a/b'"),
        ({"resume": True}, r"\(--resume\) needs the name \(--name\)"),
        ({"name": "new", "resume": True}, r"there is no run .*new to go on with"),
    ],
)
def test_a_bad_name_is_refused(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with (
        pytest.raises(ValueError, match=message),
        NamedFolder.claim("run", tmp_path, **arguments),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with NamedFolder.claim("comparison", tmp_path, "name"):
        for resume in (False, True):
            with (
                pytest.raises(FolderInUseError, match=rf"name is in use by process {os.getpid()}:"),
                NamedFolder.claim("run", tmp_path, "name", resume=resume),
            ):
                pass
    with NamedFolder.claim("run", tmp_path, "name"):
        pass


def test_default_names_are_different_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "now")
    (tmp_path / "now-2").mkdir()
    with (
        NamedFolder.claim("run", tmp_path) as first,
        NamedFolder.claim("run", tmp_path) as second,
    ):
        assert (first.path.name, second.path.name) == ("now", "now-3")


def test_the_identity_of_a_named_folder(tmp_path: Path) -> None:
    folder = NamedFolder(tmp_path, "experiment")
    folder.refuse_other({"experiment": "features"})  # nothing is there yet
    recipe = Recipe(lr=0.25).to_dict()
    del recipe["noise"]  # from before the field existed
    folder.write({"experiment": "features", "backend": "numpy", "recipe": recipe})
    folder.refuse_other({"experiment": "features", "recipe": Recipe(lr=0.25).to_dict()})
    with pytest.raises(ValueError, match=r"an experiment with noise \(--noise\) dropout, not unit"):
        folder.refuse_other({"recipe": Recipe(lr=0.25, noise="unit").to_dict()})


def test_the_folder_of_a_backend(tmp_path: Path) -> None:
    folder = NamedFolder(tmp_path, "run").backend("numpy")
    assert isinstance(folder, RunFolder)
    small_run("numpy", folder.path)
    assert folder.read_result()["backend"] == "numpy"
