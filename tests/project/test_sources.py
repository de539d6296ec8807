"""Rules for the sources that no linter checks."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_module_has_more_than_300_lines() -> None:
    modules = [path for room in ("d2ldrop", "backends") for path in (ROOT / room).rglob("*.py")]
    assert len(modules) > 50
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules
    }
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_pre_commit_uses_the_locked_ruff() -> None:
    locked = re.search(r"^ruff==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    hook = re.search(
        r"ruff-pre-commit\n\s+rev: v(\S+)", (ROOT / ".pre-commit-config.yaml").read_text()
    )
    assert locked is not None
    assert hook is not None
    assert hook[1] == locked[1]
