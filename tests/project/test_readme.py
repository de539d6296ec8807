"""README and the other documents are true: listings, links, examples, commands and tables."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READMES = ["README.md", "README.zh-CN.md"]
PAGES = sorted((ROOT / "docs").glob("*.md"))  # docs/README.md is the first
DOCUMENTS = [*(ROOT / name for name in READMES), *PAGES, ROOT / "CONTRIBUTING.md"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("framework", ["torch", "paddle"])
@pytest.mark.parametrize("readme", READMES)
def test_the_listings_are_the_backends_own(readme: str, framework: str) -> None:
    source = (ROOT / "backends" / f"d2ldrop_{framework}.py").read_text()
    listing = next(
        ast.get_source_segment(source, node)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "dropout_layer"
    )
    assert f"```python\n{listing}\n```" in (ROOT / readme).read_text(encoding="utf-8")


@pytest.mark.parametrize("readme", READMES)
def test_a_readme_is_short(readme: str) -> None:
    assert len((ROOT / readme).read_text(encoding="utf-8").splitlines()) <= 180


@pytest.mark.parametrize("readme", READMES)
def test_a_readme_links_to_every_page(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    files = {(one or other).partition("#")[0] for one, other in links}
    missing = [
        file
        for file in files
        if file and "://" not in file and not (document.parent / file).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("readme", READMES)
def test_the_example_runs(readme: str, tmp_path: Path) -> None:
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL
    )
    (example,) = (block for block in blocks if "import d2ldrop" in block)
    assert 'data="stand-in"' in example
    example = example.replace(
        'data="stand-in"', 'data=d2ldrop.load_data("stand-in", train_size=500)'
    )
    subprocess.run([sys.executable, "-W", "error", "-c", example], cwd=tmp_path, check=True)


def test_the_commands_exist() -> None:
    commands = re.findall(r"^d2ldrop (\w+)(.*?)(?:#.*)?$", README, re.MULTILINE)
    assert {name for name, _ in commands} >= {"backends", "compare", "evaluate", "train"}
    for name, arguments in commands:
        text = subprocess.run(
            [sys.executable, "-m", "d2ldrop", name, "--help"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for option in re.findall(r"--[\w-]+", arguments):
            assert option in text, f"d2ldrop {name} {option}"


def locked(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_tables_are_those_that_the_program_makes() -> None:
    if version("click") != locked("click"):
        pytest.skip("the tables of options are made with the locked click, which words them")
    command = [sys.executable, "docs/tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pre_commit_has_the_locks_ruff() -> None:
    assert f"rev: v{locked('ruff')}" in (ROOT / ".pre-commit-config.yaml").read_text()


def test_no_module_is_long() -> None:
    modules = [*(ROOT / "d2ldrop").rglob("*.py"), *(ROOT / "backends").glob("*.py")]
    lengths = {name_of(module): len(module.read_text().splitlines()) for module in modules}
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}
