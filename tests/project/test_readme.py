"""README is true: its listings are the files' own, its examples run, its commands exist."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_listings_are_the_backends_own(readme: str, framework: str) -> None:
    source = (ROOT / "backends" / f"d2ldrop_{framework}.py").read_text()
    listing = next(
        ast.get_source_segment(source, node)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "dropout_layer"
    )
    assert f"```python\n{listing}\n```" in (ROOT / readme).read_text(encoding="utf-8")


def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = (block for block in PYTHON if "import d2ldrop" in block)
    example = example.replace(
        'data="stand-in"', 'data=d2ldrop.load_data("stand-in", train_size=500)'
    )
    subprocess.run([sys.executable, "-W", "error", "-c", example], cwd=tmp_path, check=True)


def test_the_commands_exist() -> None:
    commands = re.findall(r"^d2ldrop (\w+)(.*?)(?:#.*)?$", README, re.MULTILINE)
    assert {name for name, _ in commands} == {
        "backends",
        "bench",
        "compare",
        "data",
        "evaluate",
        "experiment",
        "train",
    }
    for name, arguments in commands:
        text = subprocess.run(
            [sys.executable, "-m", "d2ldrop", name, "--help"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for option in re.findall(r"--[\w-]+", arguments):
            assert option in text, f"d2ldrop {name} {option}"
