"""The stored notebooks match their sources and the package, and contain clean outputs.

Nothing is executed here. ``pytest --nbmake notebooks`` executes the notebooks.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from d2ldrop.experiments import NAMES

ROOT = Path(__file__).parents[2]


def load_build() -> Any:
    path = ROOT / "notebooks" / "build.py"
    spec = importlib.util.spec_from_file_location("notebooks_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load_build()
STORED = [(name, language) for name in build.SOURCES for language in build.FOLDERS]


@pytest.mark.parametrize(("name", "language"), STORED)
def test_a_notebook_equals_its_sources(name: str, language: str) -> None:
    notebook, expected = build.stored(name, language), build.notebook(name, language)
    nbformat.validate(notebook)
    assert [(cell.id, cell.source) for cell in notebook.cells] == [
        (cell.id, cell.source) for cell in expected.cells
    ], f"python notebooks/build.py {name}"
    assert notebook.metadata == expected.metadata


@pytest.mark.parametrize(("name", "language"), STORED)
def test_outputs_are_stored_and_clean(name: str, language: str) -> None:
    notebook = build.stored(name, language)
    assert all(cell.metadata == {} for cell in notebook.cells), (
        "cells must not contain execution times"
    )
    cells = list(build.code_cells(notebook).values())
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert len(outputs) >= len(cells) / 2
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    if "load_data" in str(cells):
        assert "fashion-mnist: 60,000 images" in str(outputs), (
            "the notebook must be built with the real data"
        )


@pytest.mark.parametrize(("name", "language"), STORED)
def test_a_notebook_contains_no_details_of_the_build_machine(name: str, language: str) -> None:
    text = (build.FOLDERS[language] / f"{name}.ipynb").read_text(encoding="utf-8")
    assert not re.findall(r"(?<![\w./])/(?:home|root|tmp|work|usr|Users)/\S*", text)
    assert not re.findall(r"\bat 0x[0-9a-f]+", text), "an address differs in every build"
    assert sys.prefix not in text


@pytest.mark.parametrize("name", build.SOURCES)
def test_code_and_outputs_are_the_same_in_every_language(name: str) -> None:
    english = build.code_cells(build.stored(name, "en"))
    for language in build.FOLDERS:
        assert build.code_cells(build.stored(name, language)) == english


@pytest.mark.parametrize("name", build.SOURCES)
def test_listings_equal_the_current_sources(name: str) -> None:
    files = [*(ROOT / "backends").glob("*.py"), *(ROOT / "d2ldrop").rglob("*.py")]
    package = "\n\n\n".join(file.read_text(encoding="utf-8") for file in files)
    shown = [
        output.data["text/markdown"]
        for cell in build.code_cells(build.stored(name)).values()
        for output in cell.outputs
        if "text/markdown" in output.get("data", {})
    ]
    assert [text for text in shown if "```" not in text and text.strip() not in package] == []
    listings = re.findall(r"```python\n(.*?)\n```", "\n".join(shown), re.DOTALL)
    assert listings
    for part in "\n\n\n".join(listings).split("\n\n\n"):
        assert f"\n{part}\n" in package, f"python notebooks/build.py {name}"


@pytest.mark.parametrize("name", build.SOURCES)
def test_links_lead_to_files(name: str) -> None:
    for language, folder in build.FOLDERS.items():
        text = "\n".join(
            c.source for c in build.stored(name, language).cells if c.cell_type != "code"
        )
        links = re.findall(r"\]\(([^)#]+)\)", text)
        assert links
        assert [link for link in links if not (folder / link).exists()] == []


@pytest.mark.parametrize("language", build.FOLDERS)
def test_the_exercises_name_every_experiment(language: str) -> None:
    exercises = build.blocks(build.SOURCE / f"dropout.{language}.md")["exercises"]
    assert sorted(re.findall(r"`([\w-]+)`", exercises)) == sorted(NAMES)
    for file in build.SOURCE.glob("*.md"):
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r"d2ldrop experiment ([a-z][\w-]*)", text)) <= set(NAMES)


def test_code_and_prose_must_have_the_same_cell_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(build.SOURCE, tmp_path, dirs_exist_ok=True)
    prose = tmp_path / "by_hand.zh.md"
    text = prose.read_text(encoding="utf-8")
    prose.write_text(text.replace("<!-- broken -->", ""), encoding="utf-8")
    monkeypatch.setattr(build, "SOURCE", tmp_path)
    build.notebook("by_hand", "en")
    with pytest.raises(ValueError, match="broken"):
        build.notebook("by_hand", "zh")
