"""Bad arguments are refused before data are searched, a process is started or a file is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from d2ldrop.cli.main import cli, name_options
from tests.fakes import install

# The command line, with an error wherever work begins.
BEFORE_WORK = """
import subprocess
import d2ldrop.data.dataset as dataset

def begun(*_, **__):
    raise AssertionError("work has begun")

dataset.find_fashion_mnist = dataset.download = dataset.stand_in = subprocess.Popen = begun
from d2ldrop.cli.main import main
main()
"""
COMMANDS = {
    "train": ("train", "numpy"),
    "compare": ("compare", "numpy"),
    "bench": ("bench", "train", "numpy"),
    "experiment": ("experiment", "swap-dropout"),
    "evaluate": ("evaluate", "no.safetensors", "--backend", "numpy"),
}
BAD_DATA = {
    "--train-size": ("0", "--train-size must be an integer from 1 to 60000, got 0"),
    "--test-size": ("10001", "--test-size must be an integer from 1 to 10000, got 10001"),
    "--data-dir": ("x", "--data-dir is a folder with Fashion-MNIST"),
    "--dataset": ("mnist", "'mnist' is not one of 'auto', 'fashion-mnist', 'stand-in'"),
}
BAD_WORKERS = {
    "--threads": ("0", "--threads must be a positive integer, got 0"),
    "--timeout": ("0", "--timeout must be a positive number of seconds, got 0"),
    "--device": ("tpu", "--device must be cpu, gpu or gpu:N, got 'tpu'"),
    "--execution": ("slow", "'slow' is not one of 'default', 'fast'"),
}
LACKS = {
    "experiment": {"--threads", "--device", "--execution"},
    "evaluate": {"--threads", "--timeout", "--execution"},
    "bench": {"--device"},
}


def refused(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """The error of a command that exits with status 2 and has begun nothing."""
    before = sorted(folder.iterdir())
    out = subprocess.run(
        [sys.executable, "-c", BEFORE_WORK, *arguments],
        cwd=folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert out.returncode == 2, out.stderr
    assert out.stdout == ""
    assert sorted(folder.iterdir()) == before
    return out.stderr


@pytest.mark.parametrize("option", BAD_DATA)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_data_argument(tmp_path: Path, command: str, option: str) -> None:
    value, message = BAD_DATA[option]
    dataset = ("--dataset", "stand-in") if option == "--data-dir" else ()
    assert message in refused(tmp_path, *COMMANDS[command], *dataset, option, value)


@pytest.mark.parametrize(
    ("command", "option"),
    [(c, option) for c in COMMANDS for option in BAD_WORKERS if option not in LACKS.get(c, ())],
)
def test_a_bad_worker_argument(tmp_path: Path, command: str, option: str) -> None:
    value, message = BAD_WORKERS[option]
    assert message in refused(tmp_path, *COMMANDS[command], option, value)


def test_a_bad_data_argument_beside_a_bad_worker_argument(tmp_path: Path) -> None:
    bad = ("--train-size", "0", "--threads", "0", "--record", "activation")
    assert "'activation' is not 'activations'" in refused(tmp_path, "train", "numpy", *bad)
    assert "--train-size must be" in refused(tmp_path, "train", "numpy", *bad[:4])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "numpy", "--lockstep-steps", "0"), "--lockstep-steps must be a positive"),
        (("bench", "train", "numpy", "--rounds", "0"), "--rounds must be"),
        (("experiment", "swap-dropout", "--seeds", "0"), "--seeds must be a positive integer"),
        (("experiment", "swap-dropout", "--jobs", "0"), "--jobs must be a positive integer"),
        (("experiment", "swap-dropout", "--backend", "tourch"), "did you mean 'torch'"),
        (("experiment", "swap"), "experiment must be one of swap-dropout, "),
        (("train", "numpy", "--name", "a/b"), "--name must be a plain folder name"),
        (("compare", "--resume"), "--resume needs the --name of the run"),
    ],
)
def test_other_bad_arguments(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in refused(tmp_path, *arguments)


# Options in the messages of the library


def test_every_argument_in_a_message_has_its_options_name(tmp_path: Path) -> None:
    concise = ("train", "numpy", "--impl", "concise", "--weight-decay", "0.1")
    message = refused(tmp_path, *concise)
    assert "Error: --impl 'concise' has" in message
    assert "--weight-decay must be 0.0, got 0.1; --impl 'scratch' takes it" in message
    source = ("--dataset", "stand-in", "--data-dir", "my/data_dir")
    message = refused(tmp_path, "train", "numpy", *source)
    assert "leave --data-dir out, or choose --dataset 'fashion-mnist'" in message


def test_a_name_without_an_option_stays(tmp_path: Path) -> None:
    """BACKEND is an argument of train and an option of evaluate."""
    env = install(tmp_path / "site", "crashing")
    (tmp_path / "site" / "crashing.py").unlink()  # the backend is there, its framework is not
    message = refused(tmp_path, "train", "crashing", env=env)
    assert message.startswith("Error: backend 'crashing' needs crashing")
    message = refused(tmp_path, "evaluate", "x", "--backend", "crashing", env=env)
    assert message.startswith("Error: --backend 'crashing' needs crashing")


def test_a_path_in_a_message_stays() -> None:
    message = name_options("data_dir my/data_dir lacks a file (data_dir)", cli.commands["data"])
    assert message == "--data-dir my/data_dir lacks a file (--data-dir)"


# What is known before anything is loaded


@pytest.mark.parametrize("command", ["train", "compare", "bench", "experiment"])
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--out", "/proc/runs", "--out must be a folder that can be written, but /proc cannot"),
        ("--out", "a-file", "--out must be a folder that can be written, but a-file is a file"),
        ("--name", "a\nb", "--name must be printable text without control characters"),
        ("--name", b"a\xff", "--name must be printable text without control characters"),
        ("--out", "a\x1b[2J", "--out must be printable text without control characters"),
        ("--name", 300 * "x", "--name cannot be used here: File name too long"),
    ],
    ids=lambda value: repr(value)[:25],
)
def test_a_place_that_cannot_be_written(
    tmp_path: Path, command: str, option: str, value: str | bytes, message: str
) -> None:
    (tmp_path / "a-file").touch()
    value = value if isinstance(value, str) else os.fsdecode(value)
    assert message in refused(tmp_path, *COMMANDS[command], option, value)


@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_backend_without_concise_functions(tmp_path: Path, command: str) -> None:
    env = install(tmp_path / "site", "honest")
    (tmp_path / "site" / "fake_honest.py").write_text("def mlp(): ...\ndef concise_step(): ...\n")
    message = refused(tmp_path, command, "honest", "--impl", "concise", env=env)
    assert (
        "--impl 'concise' of honest is missing: its module fake_honest lacks concise_mlp" in message
    )
    assert "--impl 'scratch' works" in message
