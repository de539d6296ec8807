"""The READMEs have current listings, an example that runs, and commands that exist."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READMES = ["README.md", "README.zh-CN.md"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ["d2ldrop_torch", "d2ldrop_paddle"])
@pytest.mark.parametrize("readme", READMES)
def test_a_listing_equals_the_source(readme: str, module: str) -> None:
    path = f"backends/{module}.py"
    source = read(path)
    function = next(
        ast.get_source_segment(source, node)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "dropout_layer"
    )
    after_link = read(readme).partition(f"({path})")[2]
    listing = re.search(r"```python\n(.*?)\n```", after_link, re.DOTALL)
    assert listing is not None
    assert listing[1] == function, f"copy dropout_layer from {path} into {readme}"


@pytest.mark.parametrize("readme", READMES)
def test_a_readme_has_at_most_180_lines(readme: str) -> None:
    assert len(read(readme).splitlines()) <= 180


@pytest.mark.parametrize("readme", READMES)
def test_the_example_runs(readme: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", read(readme), re.DOTALL)
    (example,) = (block for block in blocks if "import d2ldrop" in block)
    assert 'data="stand-in"' in example
    example = example.replace(
        'data="stand-in"', 'data=d2ldrop.load_data("stand-in", train_size=500)'
    )
    subprocess.run([sys.executable, "-W", "error", "-c", example], cwd=tmp_path, check=True)


def commands(readme: str) -> list[tuple[str, str]]:
    """Return the name and the arguments of each d2ldrop command in a README."""
    return re.findall(r"^d2ldrop ([a-z-]+)(.*?)(?:#.*)?$", read(readme), re.MULTILINE)


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """Return the help text of each command in the READMEs."""
    return {
        name: subprocess.run(
            [sys.executable, "-m", "d2ldrop", name, "--help"],
            capture_output=True, text=True, check=True,
        ).stdout
        for name in {name for readme in READMES for name, _ in commands(readme)}
    }  # fmt: skip


@pytest.mark.parametrize("readme", READMES)
def test_the_commands_exist(readme: str, helps: dict[str, str]) -> None:
    names = {name for name, _ in commands(readme)}
    assert names >= {"backends", "compare", "evaluate", "train"}
    for name, arguments in commands(readme):
        for option in re.findall(r"--[\w-]+", arguments):
            assert option in helps[name], f"d2ldrop {name} {option}"


@pytest.mark.parametrize("readme", READMES)
def test_the_make_targets_exist(readme: str) -> None:
    targets = set(re.findall(r"^make ([\w-]+)", read(readme), re.MULTILINE))
    assert {"compare", "test"} <= targets
    assert targets <= set(re.findall(r"^([\w-]+):", read("Makefile"), re.MULTILINE))
