"""Misspelt names get a suggestion, and a shell can complete names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from d2ldrop.cli.main import cli
from d2ldrop.core.suggestions import did_you_mean
from d2ldrop.experiments import ABOUT, NAMES, find_experiment
from d2ldrop.frameworks import FRAMEWORKS, aliases


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["trian", "numpy"], "train"),
        (["experiments"], "experiment"),
        (["train", "tf"], "tensorflow"),
        (["train", "PyTorch"], "torch"),
        (["compare", "tensorfow"], "tensorflow"),
        (["compare", "numpy", "paddlepaddle"], "paddle"),
        (["bench", "train", "np"], "numpy"),
        (["bench", "trian"], "train"),
        (["evaluate", "x", "--backend", "mx"], "mxnet"),
        (["experiment", "swap-dropuot"], "swap-dropout"),
        (["experiment", "swap"], "swap-dropout"),
        (["experiment", "swap-dropout", "--backend", "pytorch"], "torch"),
        (["train", "numpy", "--preset", "d2l_zh"], "d2l-zh"),
        (["train", "numpy", "--noise", "gausian"], "gaussian"),
        (["train", "numpy", "--dataset", "standin"], "stand-in"),
        (["compare", "numpy", "--python", "tf=/bin/true"], "tensorflow"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_misspelt_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], meant: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.ClickException) as caught:
        cli.main(arguments, standalone_mode=False)
    assert caught.value.exit_code == 2
    assert f"; did you mean '{meant}'?" in caught.value.format_message()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_suggested_for_a_word_like_no_name() -> None:
    assert did_you_mean("xyzzy", ["train", "data"]) == ""
    assert did_you_mean("", ["train", "data"]) == ""


def test_every_alias_belongs_to_a_framework() -> None:
    assert set(aliases().values()) <= set(FRAMEWORKS)
    assert not aliases().keys() & FRAMEWORKS.keys()


# The help


def test_the_help_has_a_line_for_each_experiment() -> None:
    command = cli.commands["experiment"]
    text = command.get_help(click.Context(command, info_name="experiment", terminal_width=80))
    lines = [line.strip() for line in text.splitlines()]
    for name, about in ABOUT.items():
        assert find_experiment(name).question.endswith("?")
        assert any(line.startswith(name) and line.endswith(about) for line in lines), name
    assert list(ABOUT) == list(NAMES)


# Completion


def completed(shell: str, words: str, tmp_path: Path) -> list[str]:
    """What a shell offers for the last of ``words``."""
    *_, last = words.split(" ")
    env = {
        **os.environ,
        "_D2LDROP_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": last if shell == "fish" else str(words.count(" ")),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "d2ldrop"], env=env, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_names(tmp_path: Path, shell: str) -> None:
    def offers(words: str, name: str) -> bool:
        return any(name in word for word in completed(shell, words, tmp_path))

    assert offers("d2ldrop exp", "experiment")
    assert offers("d2ldrop experiment swa", "swap-dropout")
    assert offers("d2ldrop train tens", "tensorflow")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("d2ldrop compare numpy tor", "torch"),
        ("d2ldrop bench tr", "train"),
        ("d2ldrop bench train pad", "paddle"),
        ("d2ldrop evaluate x --backend mx", "mxnet"),
        ("d2ldrop train numpy --num-ep", "--num-epochs"),
        ("d2ldrop train numpy --noise gau", "gaussian"),
        ("d2ldrop compare --python mxn", "mxnet="),
    ],
)
def test_bash_completes_everywhere(tmp_path: Path, words: str, name: str) -> None:
    assert completed("bash", words, tmp_path) == [f"plain,{name}"]
