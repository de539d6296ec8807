"""The page on adding a framework: its code is that of the seventh backend."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from d2ldrop.conformance.expected import read_expected, reason_for
from d2ldrop.contract import Backend, ConciseBackend, TrainSteps

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-framework.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
EXPECTED = [code for kind, code in BLOCKS if kind == "toml" and code.startswith('"L')]
FOLDER = ROOT / "tests" / "seventh"

# mypy and pyright report an error here if a module lacks a function of its protocol.
if TYPE_CHECKING:
    import d2ldrop_minitape
    import d2ldrop_minitape_compiled
    from minitape import Array

    _backend: ConciseBackend[Array] = d2ldrop_minitape
    _train_steps: TrainSteps = d2ldrop_minitape_compiled.train_steps


@pytest.mark.parametrize("language", ["python", "toml"])
def test_its_code_is_in_a_file_that_is_tested(language: str) -> None:
    files = [*FOLDER.rglob("*.py"), *FOLDER.rglob("*.toml")]
    sources = [path.read_text(encoding="utf-8") for path in files]
    blocks = [code for kind, code in BLOCKS if kind == language and code not in EXPECTED]
    assert len(blocks) >= 1
    stale = [code for code in blocks if not any(code in source for source in sources)]
    assert stale == []


def test_it_names_every_function_of_the_contract() -> None:
    functions = [name for name in (*vars(Backend), *vars(ConciseBackend)) if name[0] != "_"]
    assert len(functions) == 16
    missing = [name for name in functions if name not in PAGE]
    assert missing == []


def test_its_expected_failures_can_be_read(tmp_path: Path) -> None:
    (example,) = EXPECTED
    file = tmp_path / "expected.toml"
    file.write_text(example, encoding="utf-8")
    assert reason_for("L1.given_mask[0.1-float16]", read_expected(file)) is not None


def test_the_checks_that_it_names_exist() -> None:
    named = set(re.findall(r"\b(L\d)\.(\w+)", PAGE))
    assert len(named) > 5
    suite = ROOT / "d2ldrop" / "conformance"
    for level, name in named:
        modules = suite.glob(f"test_{level.lower()}_*.py")
        sources = [module.read_text(encoding="utf-8") for module in modules]
        assert any(f"\ndef test_{name}(" in source for source in sources), (level, name)
