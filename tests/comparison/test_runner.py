"""The comparison as its user runs it, with real frameworks and with backends that misbehave."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from d2ldrop import Recipe, available_backends, compare_backends
from d2ldrop.data import DataSource
from d2ldrop.training.saved_arrays import load_weights
from tests.conftest import skip_without
from tests.fakes import install

SMALL = (
    *("--dataset", "stand-in", "--train-size", "500", "--test-size", "100"),
    *("--num-epochs", "2", "--num-hiddens", "32", "16", "--lockstep-steps", "5", "--name", "n"),
)
ONE_DTYPE = (*SMALL, "--dtype", "float32")
COMPARE = [sys.executable, "-m", "d2ldrop", "compare"]


def compare(tmp_path: Path, *arguments: str, env: Any = None, status: int = 0) -> Any:
    """Run ``d2ldrop compare --json`` in ``tmp_path``; the summary, and what went to stderr."""
    out = subprocess.run(
        [*COMPARE, *ONE_DTYPE, "--json", *arguments],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == status, out.stderr
    return json.loads(out.stdout), out.stderr


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """The main job: one comparison of all real backends, looked at from several sides."""
    folder = tmp_path_factory.mktemp("everything")
    out = subprocess.run(
        [*COMPARE, *SMALL, "--json", *available_backends()],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return folder / "runs" / "n", json.loads(out.stdout), out.stderr


def test_every_backend_has_a_row_and_is_in_lockstep(
    everything: tuple[Path, dict[str, Any], str],
) -> None:
    _, summary, _ = everything
    assert summary["ok"] is True
    assert list(summary["backends"]) == available_backends()
    assert list(summary["speed"]["backends"]) == available_backends()
    for row in (*summary["backends"].values(), *summary["speed"]["backends"].values()):
        assert row["status"] == "ok"
        assert row["peak_rss_bytes"] > 1e7
        assert row["seconds_per_epoch"] > 0
    for figure in ("train_loss", "train_accuracy", "test_accuracy"):
        assert len({f"{row[figure]:.6f}" for row in summary["backends"].values()}) == 1
    checks = {check["steps"]: check for check in summary["lockstep"]}
    assert list(checks) == [5, 4]  # the check, and the whole float64 run of two epochs
    assert [check["what"] for check in checks.values()] == ["first steps", "whole run"]
    for check in checks.values():
        assert all(check["in_lockstep"].values())
        assert check["difference"]["numpy"] == 0
        assert check["yardstick"] >= 1e-14
        assert check["limit"] == pytest.approx(min(10 * check["yardstick"], 1e-8))


def test_the_run_folder_of_a_comparison(everything: tuple[Path, dict[str, Any], str]) -> None:
    folder, summary, _ = everything
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    for backend in available_backends():
        result = json.loads((folder / backend / "result.json").read_text())
        speed = json.loads((folder / "float32" / backend / "result.json").read_text())
        assert [one["recipe"]["dtype"] for one in (result, speed)] == ["float64", "float32"]
        assert result["backend"] == speed["backend"] == backend
        assert result["dataset"] == "stand-in"
        assert result["dataset_sha256"] == summary["dataset_sha256"]
        assert load_weights(folder / backend / "weights.safetensors")["W1"].shape == (784, 32)


def test_piped_progress_is_plain_lines(everything: tuple[Path, dict[str, Any], str]) -> None:
    _, _, stderr = everything
    assert "\r" not in stderr
    assert re.search(r"^NumPy: epoch 2: train loss \d\.\d{4}, train accuracy", stderr, re.MULTILINE)


def test_both_implementations_side_by_side(tmp_path: Path) -> None:
    names = [name for name in ("numpy", "torch") if name in available_backends()]
    options = (*names, "--impl", "both", "--record", "activations")
    summary, stderr = compare(tmp_path, *options)
    rows = [f"{name}{suffix}" for name in names for suffix in ("", "-concise")]
    assert list(summary["backends"]) == rows
    assert summary["ok"]
    checks = {check["what"]: check for check in summary["lockstep"]}
    assert list(checks) == ["first steps", "first steps without noise"]
    assert list(checks["first steps"]["in_lockstep"]) == names
    assert list(checks["first steps without noise"]["in_lockstep"]) == rows[1::2]
    assert "NumPy concise: training, 4 steps" in stderr
    for row in rows:
        result = json.loads((tmp_path / "runs" / "n" / row / "result.json").read_text())
        concise = row.endswith("-concise")
        assert result["implementation"] == ("concise" if concise else "scratch")
        assert result["recipe"]["rng"] == ("native" if concise else "shared")
        assert len(result["activations"]) == 2
    out = subprocess.run(
        [*COMPARE, *ONE_DTYPE, *options, "--resume"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(r"│ NumPy concise +│", out.stdout)
    assert out.stdout.count("|ΔW|") == 1  # each row is in one of the two checks
    assert "Concise, without noise: after 5 steps in float64 all in lockstep" in out.stdout


def test_other_noise_is_in_the_title_and_in_lockstep(tmp_path: Path) -> None:
    out = subprocess.run(
        [
            *(*COMPARE, *ONE_DTYPE, "numpy", "--noise", "gaussian", "--input-dropout", "0.1"),
            *("--schedule", "early:1", "--weight-decay", "0.001", "--max-norm", "2"),
        ],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (
        "gaussian 0.2/0.5, input dropout 0.1, schedule early:1, weight decay 0.001, max norm 2.0"
        in " ".join(out.stdout.split())
    )
    assert "all in lockstep" in out.stdout


def test_misbehaving_backends_are_rows_and_the_others_finish(tmp_path: Path) -> None:
    env = install(
        tmp_path / "site", "honest", "crashing", "hanging", "raising", "drifting", "broken"
    )
    names = ("crashing", "hanging", "raising", "broken", "drifting", "honest", "numpy")
    summary, stderr = compare(tmp_path, *names, "--timeout", "8", env=env, status=1)
    rows = summary["backends"]
    assert summary["ok"] is False
    assert {name: row["status"] for name, row in rows.items()} == {
        "crashing": "failed",
        "hanging": "failed",
        "raising": "failed",
        "broken": "failed",
        "drifting": "ok",
        "honest": "ok",
        "numpy": "ok",
    }
    assert "killed by SIGSEGV" in rows["crashing"]["error"]
    assert "no report for 8 s" in rows["hanging"]["error"]
    assert rows["raising"]["error"] == "RuntimeError: out of memory, say"
    assert rows["broken"]["error"] == "ImportError: libbroken.so: no such file"
    assert summary["lockstep"][0]["in_lockstep"] == {
        name: name in ("honest", "numpy") for name in names
    }
    assert "crashing: FAILED: killed by SIGSEGV" in stderr
    log = (tmp_path / "runs" / "n" / "raising" / "worker.log").read_text()
    assert "a framework prints what it likes" in log


def test_the_table_names_what_failed_and_what_is_apart(tmp_path: Path) -> None:
    env = install(tmp_path / "site", "crashing", "drifting")
    out = subprocess.run(
        [*COMPARE, *ONE_DTYPE, "--quiet", "crashing", "drifting", "numpy"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert out.returncode == 1
    assert out.stderr == ""
    assert "STAND-IN DATA, NOT Fashion-MNIST" in out.stdout
    assert re.search(r"crashing +│ failed", out.stdout)
    assert re.search(r"drifting.* APART", out.stdout)
    assert "NOT in lockstep: drifting (not measured: crashing)" in " ".join(out.stdout.split())
    assert "crashing failed: killed by SIGSEGV (see runs/n/crashing/worker.log)" in out.stdout


def test_ctrl_c_stops_the_worker_keeps_what_is_finished_and_resume_goes_on(tmp_path: Path) -> None:
    env = install(tmp_path / "site", "slow")
    arguments = [
        *COMPARE,
        *ONE_DTYPE,
        "numpy",
        "slow",
        "--lockstep-steps",
        "2",
        "--num-epochs",
        "6",
    ]
    running = subprocess.Popen(
        arguments, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    checkpoint = tmp_path / "runs" / "n" / "slow" / "checkpoint.safetensors"
    wait_for(checkpoint.exists)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "slow" in stdout
    assert "interrupted" in stdout
    assert "--name n --resume continues" in stderr
    assert "Traceback" not in stderr
    wait_for(lambda: not workers_of(tmp_path))
    summary = json.loads((tmp_path / "runs" / "n" / "summary.json").read_text())
    assert summary["backends"]["numpy"]["status"] == "ok"
    assert summary["backends"]["slow"] == {"status": "interrupted"}

    numpys_result = tmp_path / "runs" / "n" / "numpy" / "result.json"
    finished = numpys_result.stat().st_mtime_ns
    again = subprocess.run([*arguments, "--resume", "--json"], cwd=tmp_path, env=env,
                           capture_output=True, text=True, check=False)  # fmt: skip
    assert again.returncode == 0, again.stderr
    weights = [
        (tmp_path / "runs" / "n" / name / "weights.safetensors").read_bytes()
        for name in ("numpy", "slow")
    ]
    assert weights[0] == weights[1]  # "slow" is NumPy: interrupted and resumed, to the same bytes
    assert numpys_result.stat().st_mtime_ns == finished  # kept, not made again


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def workers_of(tmp_path: Path) -> list[str]:
    """Worker processes that still run in ``tmp_path``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text()
            folder = (process / "cwd").readlink()
        except OSError:  # it has just ended
            continue
        if "d2ldrop.processes.worker" in command and folder == tmp_path:
            found.append(command)
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM], ids=str)
def test_a_hung_worker_ends_with_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    env = install(tmp_path / "site", "hanging")
    running = subprocess.Popen(
        [*COMPARE, *ONE_DTYPE, "hanging"],
        cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    # NumPy's reference run comes first; this log is begun with the worker that will hang.
    wait_for((tmp_path / "runs" / "n" / "hanging" / "worker.log").exists)
    wait_for(lambda: workers_of(tmp_path))
    running.send_signal(how)
    running.wait()
    wait_for(lambda: not workers_of(tmp_path), seconds=20)


def test_another_interpreter_may_run_a_backend(tmp_path: Path) -> None:
    marker = tmp_path / "used"
    python = tmp_path / "other-python"
    python.write_text(f'#!/bin/sh\ntouch {marker}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    summary, _ = compare(tmp_path, "numpy", "--python", f"numpy={python}")
    assert summary["ok"]
    assert marker.exists()


def test_a_comparison_of_all_says_what_is_left_out(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'tensorflow', 'mxnet', 'paddle', 'jax'): sys.modules[name] = None\n"
        "from d2ldrop.cli.main import main\n"
        "main()\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, *COMPARE[3:], *SMALL], cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 'Left out: PyTorch (pip install "d2ldrop[torch]")\n' in out.stdout
    assert "Left out: MXNet (" in out.stdout
    summary = json.loads((tmp_path / "runs" / "n" / "summary.json").read_text())
    assert list(summary["backends"]) == ["numpy"]
    assert list(summary["left_out"]) == ["torch", "tensorflow", "mxnet", "paddle", "jax"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tourch"], "unknown backend 'tourch': .* did you mean 'torch'"),
        (["numpy", "--num-epochs", "0"], "--num-epochs must be a positive integer, got 0"),
        (
            ["numpy", "--dropout", "0.2", "1.5"],
            r"dropout must be a probability in \[0, 1\], got 1.5",
        ),
        (["numpy", "--dropout", "0.2"], "Option '--dropout' requires 2 arguments"),
        (["numpy", "--lockstep-steps", "0"], "--lockstep-steps must be a positive integer, got 0"),
        (["numpy", "--timeout", "0"], "timeout must be a positive number of seconds"),
        (["numpy", "--timeout", "inf"], "timeout must be a positive number of seconds, got inf"),
        (["numpy", "--resume"], "there is no run runs/n to go on with: leave out --resume"),
        (["numpy", "--device", "tpu"], "device must be cpu, gpu or gpu:N, got 'tpu'"),
        (["numpy", "--python", "numpy"], "--python must be BACKEND=PATH, got 'numpy'"),
        (["numpy", "--python", "numpy=/no/python"], "/no/python .--python., does not run"),
        (["numpy", "--python", "numpy=/bin/false"], "cannot load d2ldrop"),
        (["numpy", "--python", f"torch={sys.executable}"], "names torch, which is not among"),
        (["numpy", "--name", "../n"], "name must be a plain folder name, got '../n'"),
        (["numpy", "--train-size", "60001"], "--train-size must be an integer from 1 to 60000"),
        (["numpy", "--data-dir", "."], "'stand-in' reads no file"),
        (["numpy", "--preset", "d2l-jp"], "is not one of 'd2l-zh', 'd2l-en'"),
        (["numpy", "--num-epoch", "3"], "No such option.*--num-epoch"),
        (["numpy", "--noise", "gausian"], "'gausian' is not one of 'dropout', 'gaussian'"),
        (["numpy", "--schedule", "early"], "schedule must be constant, early:E, .* got 'early'"),
        (["numpy", "--schedule", "late:0"], "schedule must be .* of at least 1, .* got 'late:0'"),
        (["numpy", "--max-norm", "0"], "--max-norm must be a positive finite number, got 0.0"),
        (["numpy", "--weight-decay", "-1"], "--weight-decay must be a .* not negative, got -1.0"),
        (
            ["numpy", "--impl", "both", "--noise", "gaussian"],
            "of numpy cannot do --noise 'gaussian'",
        ),
        (["numpy", "--impl", "concise", "--max-norm", "1"], "--max-norm must be None, got 1.0"),
        (
            ["numpy", "--rng", "native", "--noise", "unit"],
            "rng must be 'shared' with --noise 'unit'",
        ),
        (["numpy", "--impl", "short"], "'short' is not one of 'scratch', 'concise', 'both'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_arguments_are_refused_before_work_begins(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    out = subprocess.run([*COMPARE, *ONE_DTYPE, *arguments], cwd=tmp_path, capture_output=True,
                         text=True, check=False)  # fmt: skip
    assert out.returncode == 2, out.stderr
    assert re.search(message, out.stderr)
    assert "Traceback" not in out.stderr
    assert out.stdout == ""
    assert list(tmp_path.glob("runs/*")) == []


def refused(tmp_path: Path, *arguments: str) -> str:
    out = subprocess.run([*COMPARE, *ONE_DTYPE, *arguments], cwd=tmp_path, capture_output=True,
                         text=True, check=False)  # fmt: skip
    assert out.returncode == 2, out.stderr
    return out.stderr


@skip_without("torch")
def test_a_finished_comparison_is_not_overwritten(tmp_path: Path) -> None:
    compare(tmp_path, "numpy")
    summary = (tmp_path / "runs" / "n" / "summary.json").read_bytes()
    assert "runs/n/numpy holds a finished run" in refused(tmp_path, "numpy")
    assert "runs/n/numpy holds a finished run" in refused(tmp_path, "torch")
    other = ("--resume", "--lr", "0.1")
    assert "runs/n holds a comparison with --lr 0.5, not 0.1" in refused(tmp_path, "torch", *other)
    assert (tmp_path / "runs" / "n" / "summary.json").read_bytes() == summary


def test_a_resumed_comparison_takes_in_what_is_asked_for_and_nothing_else(tmp_path: Path) -> None:
    env = install(tmp_path / "site", "honest")
    compare(tmp_path, "numpy", env=env)
    for arguments, rows in (
        ((), ["numpy"]),
        (("honest",), ["numpy", "honest"]),
        (("honest", "--impl", "concise"), ["numpy", "honest", "honest-concise"]),
        ((), ["numpy", "honest", "honest-concise"]),
        (("--impl", "both"), ["numpy", "honest", "honest-concise", "numpy-concise"]),
    ):
        summary, _ = compare(tmp_path, *arguments, "--resume", env=env)
        assert list(summary["backends"]) == rows
        assert summary["ok"]


def test_a_concise_comparison_is_neither_overwritten_nor_widened(tmp_path: Path) -> None:
    concise = ("numpy", "--impl", "concise")
    compare(tmp_path, *concise)
    for arguments in (concise, ("numpy",)):
        assert "runs/n/numpy-concise holds a finished run" in refused(tmp_path, *arguments)
    summary, _ = compare(tmp_path, "--resume")
    assert list(summary["backends"]) == ["numpy-concise"]


@pytest.mark.parametrize("option", ["--threads=1", "--device=gpu", "--execution=fast"])
def test_a_resume_with_other_worker_options_is_refused(tmp_path: Path, option: str) -> None:
    compare(tmp_path, "numpy")
    folder = tmp_path / "runs" / "n"
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    name = option[2:].partition("=")[0]
    error = refused(tmp_path, "numpy", "--resume", option)
    if name == "execution":
        assert "NumPy has no execution mode 'fast'" in error
    else:
        assert f"runs/n holds a comparison with --{name}" in error
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before


def test_a_resume_in_another_environment_is_refused(tmp_path: Path) -> None:
    compare(tmp_path, "numpy", env={**os.environ, "OPENBLAS_CORETYPE": "Haswell"})
    assert "runs/n/numpy holds a run with OPENBLAS_CORETYPE Haswell, not unset" in refused(
        tmp_path, "numpy", "--resume"
    )


def test_arguments_are_checked_before_data_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DataSource, "load", lambda _: pytest.fail("it loads data"))
    bad: list[dict[str, Any]] = [
        {"backends": ["numpi"]},
        {"backends": "numpy"},
        {"implementation": "short"},
        {"threads": 0},
        {"execution": "quick"},
        {"timeout": -1},
        {"device": "tpu"},
        {"name": "a/b"},
        {"lockstep_steps": 0},
        {"record": ["weights"]},
        {"resume": True},
        {"data": "no-such"},
    ]
    for arguments in bad:
        with pytest.raises((ValueError, TypeError)):
            compare_backends(out=tmp_path, **{"data": DataSource("stand-in"), **arguments})
    assert list(tmp_path.iterdir()) == []


def test_a_resume_that_records_something_else_is_refused(tmp_path: Path) -> None:
    compare(tmp_path, "numpy")
    summary = (tmp_path / "runs" / "n" / "summary.json").read_bytes()
    other = ("numpy", "--resume", "--record", "activations")
    assert "with --record unset, not activations" in refused(tmp_path, *other)
    assert (tmp_path / "runs" / "n" / "summary.json").read_bytes() == summary


@skip_without("torch")
def test_a_folder_that_cannot_be_written_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "runs" / "n").mkdir(parents=True)
    (tmp_path / "runs" / "n" / "torch").write_text("a file where the folder should be")
    summary, _ = compare(tmp_path, "numpy", "torch", status=1)
    assert {name: row["status"] for name, row in summary["backends"].items()} == {
        "numpy": "ok",
        "torch": "failed",
    }


def test_what_an_interpreter_prints_is_no_report(tmp_path: Path) -> None:
    python = tmp_path / "talkative-python"
    python.write_text(f'#!/bin/sh\necho "Welcome to this cluster"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    out = subprocess.run(
        [*COMPARE, *ONE_DTYPE, "numpy", "--python", f"numpy={python}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert out.returncode == 0, out.stderr


def test_from_python(tmp_path: Path) -> None:
    events = []
    summary = compare_backends(
        ["numpy"],
        Recipe(num_epochs=1, num_hiddens=(8, 8)),
        data=DataSource("stand-in", train_size=300, test_size=50),
        out=tmp_path,
        lockstep_steps=3,
        on_event=lambda backend, event: events.append((backend, event["event"])),
    )
    assert summary["ok"]
    assert ("numpy", "epoch") in events
    assert (Path(summary["folder"]) / "summary.json").exists()
