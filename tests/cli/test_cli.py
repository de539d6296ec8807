"""The command line's other commands, as a user types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from d2ldrop import available_backends
from d2ldrop.data.places import DEBIAN
from tests.fakes import install

SMALL = (
    *("--dataset", "stand-in", "--train-size", "500", "--test-size", "100"),
    *("--num-epochs", "2", "--num-hiddens", "32", "16"),
)
# A machine without the data and without a network.
NOWHERE = (
    "import d2ldrop.data.download\n"
    "d2ldrop.data.fashion_mnist.other_folders = lambda: []\n"
    "d2ldrop.data.download.MIRRORS = ('http://127.0.0.1:9/',)\n"
    "from d2ldrop.cli.main import main\n"
    "main()\n"
)


def d2ldrop(
    *arguments: str, status: int = 0, nowhere: bool = False, **options: Any
) -> tuple[str, str]:
    """Run the command; stdout and stderr."""
    start = ["-c", NOWHERE] if nowhere else ["-m", "d2ldrop"]
    out = subprocess.run(
        [sys.executable, *start, *arguments], capture_output=True, text=True, check=False, **options
    )
    assert out.returncode == status, out.stdout + out.stderr
    assert "Traceback" not in out.stderr
    return out.stdout, out.stderr


def test_help_without_arguments_and_version() -> None:
    for arguments in ((), ("--help",), ("-h",)):
        out = subprocess.run(
            [sys.executable, "-m", "d2ldrop", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        text = out.stdout + out.stderr
        assert all(c in text for c in ("backends", "compare", "data", "evaluate", "train"))
    assert d2ldrop("--version")[0].startswith("d2ldrop, version ")


def test_the_installed_command_is_the_module() -> None:
    command = Path(sys.executable).parent / "d2ldrop"
    out = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert out.stdout == d2ldrop("--version")[0]


def test_every_field_of_the_recipe_is_an_option() -> None:
    text = d2ldrop("train", "--help")[0]
    for option in (
        "--num-epochs", "--batch-size", "--lr", "--num-hiddens", "--dropout", "--seed", "--dtype",
        "--rng", "--input-dropout", "--noise", "--schedule", "--scaling", "--weight-decay",
        "--max-norm", "--impl", "--record", "--preset", "--dataset", "--data-dir", "--train-size",
        "--test-size", "--device", "--out", "--name", "--quiet",
    ):  # fmt: skip
        assert re.search(rf"{option}\b", text), option


def test_a_misspelt_command_is_an_error() -> None:
    assert "trian" in d2ldrop("trian", status=2)[1]


@pytest.mark.parametrize("backend", available_backends())
def test_train_then_evaluate_elsewhere(tmp_path: Path, backend: str) -> None:
    """Each backend trains in a process of its own; all others give its weights the same figures."""
    stdout, stderr = d2ldrop("train", backend, *SMALL, "--name", "n", cwd=tmp_path)
    folder = tmp_path / "runs" / "n" / backend
    accuracy = re.search(r"test accuracy (\d\.\d{4})\n", stdout)
    assert accuracy
    assert "STAND-IN DATA, NOT Fashion-MNIST (500/100 images)" in stdout
    assert f"Results and weights: runs/n/{backend}" in stdout
    assert "epoch 2: train loss" in stderr
    last = json.loads((folder / "result.json").read_text())["epochs"][-1]
    assert f"after 2 epochs train loss {last['train_loss']:.4f}, train accuracy" in stdout
    for other in {"numpy", backend}:
        evaluated, _ = d2ldrop(
            "evaluate", str(folder / "weights.safetensors"), "--backend", other,
            "--dataset", "stand-in", "--test-size", "100", cwd=tmp_path,
        )  # fmt: skip
        assert f"test accuracy {accuracy[1]}" in evaluated


def test_the_original_form_is_evaluated_with_scaled_weights(tmp_path: Path) -> None:
    d2ldrop("train", "numpy", *SMALL, "--name", "n", "--scaling", "original", cwd=tmp_path)
    weights = tmp_path / "runs" / "n" / "numpy" / "weights.safetensors"
    result = json.loads(weights.with_name("result.json").read_text())
    options = ("--backend", "numpy", "--dataset", "stand-in", "--test-size", "100")
    scaled, _ = d2ldrop("evaluate", str(weights), *options, "--original-dropout", "0.2", "0.5")
    plain, _ = d2ldrop("evaluate", str(weights), *options)
    assert f"test accuracy {result['epochs'][-1]['test_accuracy']:.4f}" in scaled
    assert scaled != plain


def test_the_preset_sets_what_is_not_given(tmp_path: Path) -> None:
    options = ("--preset", "d2l-en", "--dropout", "0.1", "0.3", "--quiet", "--name", "n")
    _, stderr = d2ldrop("train", "numpy", *SMALL, *options, cwd=tmp_path)
    assert stderr == ""
    result = (tmp_path / "runs" / "n" / "numpy" / "result.json").read_text()
    assert '"lr": 0.1' in result
    assert re.search(r'"dropout": \[\s*0.1,\s*0.3\s*\]', result)


def test_without_a_name_the_run_is_named_after_the_time(tmp_path: Path) -> None:
    d2ldrop("train", "numpy", *SMALL, "--quiet", cwd=tmp_path)
    (run,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}", run.name)


def test_a_failing_worker_is_an_error_and_status_1(tmp_path: Path) -> None:
    env = install(tmp_path / "site", "raising", "crashing")
    _, stderr = d2ldrop("train", "raising", *SMALL, status=1, cwd=tmp_path, env=env)
    assert "Error: RuntimeError: out of memory, say" in stderr
    _, stderr = d2ldrop("train", "crashing", *SMALL, "--name", "n", status=1, cwd=tmp_path, env=env)
    assert "Error: killed by SIGSEGV (see runs/n/crashing/worker.log)" in stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "tourch"), "did you mean 'torch'"),
        (("train",), "Missing argument 'BACKEND'"),
        (("train", "numpy", "--seed", "-1"), "seed must be an integer in"),
        (("train", "numpy", "--device", "gpu"), "got 'gpu:0': numpy has cpu"),
        (("train", "numpy", "--seed", "x"), "'x' is not a valid integer"),
        (("train", "numpy", "--resume"), "--resume needs the --name of the run"),
        (("train", "numpy", "--dataset", "fashion-mnist", "--data-dir", "."), "lacks train-images"),
        (("evaluate", "no.safetensors", "--backend", "numpy"), "no weights at no.safetensors"),
        (("evaluate", "no.safetensors"), "Missing option '--backend'"),
        (("train", "numpy", "--max-norm", "-2"), "--max-norm must be a positive finite number"),
        (("train", "numpy", "--impl", "concise", "--noise", "unit"), "cannot do --noise 'unit'"),
        (("train", "numpy", "--record", "activation"), "'activation' is not 'activations'"),
        (("data", "--data-dir", "."), "lacks train-images"),
        (("data", "--data-dir", ".", "--download"), "leave out --data-dir"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    stdout, stderr = d2ldrop(*arguments, status=2, cwd=tmp_path)
    assert message in stderr
    assert stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_backends_shows_ready_missing_and_broken(tmp_path: Path) -> None:
    env = install(tmp_path / "site", "honest", "broken", "crashing")
    (tmp_path / "site" / "crashing.py").unlink()  # the backend is there, its framework is not
    stdout, _ = d2ldrop("backends", env={**env, "COLUMNS": "120"})
    assert re.search(r"numpy .*NumPy .*\d+\.\d+.*ready .* cpu", stdout)
    assert re.search(r"honest .* 1\.0 .* ready", stdout)
    assert re.search(r"broken: ImportError: libbroken.so: no such file", stdout)
    assert re.search(r"crashing .* not installed: pip install crashing", stdout)


@pytest.mark.skipif(not DEBIAN.exists(), reason="dataset-fashion-mnist is not installed")
def test_data_says_where_it_is_and_that_it_is_verified() -> None:
    stdout, _ = d2ldrop("data")
    assert "train-images-idx3-ubyte: 60,000 verified" in stdout
    assert f"Fashion-MNIST is in {DEBIAN}" in stdout


def test_data_that_is_not_there() -> None:
    stdout, _ = d2ldrop("data", nowhere=True, status=1)
    assert "Fashion-MNIST is not on this machine" in stdout
    assert "d2ldrop data --download" in stdout
    _, stderr = d2ldrop("data", "--download", nowhere=True, status=2)
    assert "could not be downloaded" in stderr


def test_without_the_data_the_stand_in_is_announced_loudly(tmp_path: Path) -> None:
    options = ("--train-size", "300", "--test-size", "50", "--num-epochs", "1", "--name", "n")
    stdout, stderr = d2ldrop("compare", "numpy", *options, nowhere=True, cwd=tmp_path)
    assert "WARNING: NOT the real Fashion-MNIST: training on the built-in stand-in" in stderr
    assert "STAND-IN DATA, NOT Fashion-MNIST (300/50 images)" in stdout
    assert '"dataset": "stand-in"' in (tmp_path / "runs" / "n" / "summary.json").read_text()
    _, stderr = d2ldrop(
        "train", "numpy", "--dataset", "fashion-mnist", nowhere=True, status=2, cwd=tmp_path
    )
    assert "could not be downloaded" in stderr


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal stderr is a tqdm bar, redrawn in place."""
    import pty
    import termios

    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    process = subprocess.Popen(
        [sys.executable, "-m", "d2ldrop", "train", "numpy", *SMALL],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(controller, 4096)
        except OSError:  # the other end is closed
            break
    os.close(controller)
    assert process.wait() == 0
    assert b"\rNumPy: training " in shown
    assert b"100%" in shown
    assert b"test=0." in shown
