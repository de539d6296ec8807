"""Write the notebooks: join code and prose from ``source/``, then run the code for the outputs.

    python notebooks/build.py              # all notebooks
    python notebooks/build.py torch mxnet  # some notebooks
    python notebooks/build.py --prose      # update the prose, keep the stored outputs

``source/NAME.py`` contains the code for all languages in jupytext's percent format. Every cell has
a name. ``source/NAME.LANGUAGE.md`` contains the prose in blocks with the same names. Each block
stands before the code of the same name. The notebooks of all frameworks are made from ``dropout``.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

import jupytext  # type: ignore[import-untyped]
import nbformat
from nbclient import NotebookClient

from d2ldrop.frameworks import FRAMEWORKS, title

HERE = Path(__file__).parent
SOURCE = HERE / "source"
FOLDERS = {"en": HERE, "zh": HERE / "zh"}
COMMAS = {"en": ", ", "zh": "、"}
SOURCES = dict.fromkeys(FRAMEWORKS, "dropout") | {
    "side_by_side": "side_by_side",
    "by_hand": "by_hand",
}
"""Each notebook and its source."""
CHINESE = "[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # no messages about the processor, XLA and CUDA
    "OMP_WAIT_POLICY": "passive",  # a waiting thread does not occupy its core
}
METADATA: dict[str, Any] = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook(name: str, language: str) -> nbformat.NotebookNode:
    """Return a notebook without outputs.

    Raises:
        ValueError: the cells of code and prose have different names or a different order.
    """
    source = SOURCE / f"{SOURCES[name]}.py"
    code = {
        cell.metadata["title"]: cell.source
        for cell in jupytext.read(source).cells
        if "title" in cell.metadata  # the other cells are for readers of the source
    }
    prose = blocks(source.with_suffix(f".{language}.md"))
    if list(prose) != list(code):
        raise ValueError(f"{source} has the cells {list(code)}, its {language} prose {list(prose)}")
    cells = []
    for block, listing in code.items():
        cells.append(cell("markdown", f"{block}-text", filled_in(prose[block], name, language)))
        if listing:
            cells.append(cell("code", block, filled_in(listing, name, language)))
    return as_nodes({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def as_nodes(content: dict[str, Any]) -> nbformat.NotebookNode:
    """Return ``content`` as a node, whose keys can be read as attributes."""
    node: nbformat.NotebookNode = nbformat.from_dict(content)  # type: ignore[no-untyped-call]
    return node


def blocks(file: Path) -> dict[str, str]:
    """Return the blocks of a Markdown file by name. A line ``<!-- name -->`` starts a block."""
    _, *parts = re.split(r"^<!-- (\S+) -->$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    # Markdown shows a line break as a space. Chinese has no spaces between characters.
    return {
        name: re.sub(rf"(?<={CHINESE})\n(?={CHINESE})", "", text.strip())
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def filled_in(text: str, name: str, language: str) -> str:
    """Replace BACKEND, FRAMEWORK and LINKS (to the notebooks of all frameworks) in ``text``."""
    links = COMMAS[language].join(f"[{title(backend)}]({backend}.ipynb)" for backend in FRAMEWORKS)
    words = {"LINKS": links, "BACKEND": name, "FRAMEWORK": title(name)}
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def cell(kind: str, name: str, source: str) -> dict[str, Any]:
    """Return a cell. Its id is its name, so the id is the same in every build."""
    empty: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": {}, "source": source, **empty}


def execute(notebook: nbformat.NotebookNode) -> None:
    """Run a notebook in its own process and store the outputs in its cells.

    Raises:
        CellExecutionError: a cell has failed.
        ValueError: a cell has printed to stderr, which would disturb readers.
    """
    NotebookClient(
        notebook,
        timeout=600,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": HERE}},
    ).execute(env=os.environ | ENVIRONMENT)
    notebook.metadata = as_nodes(METADATA)  # the kernel has added its Python version
    for cell in notebook.cells:
        errors = [output for output in cell.get("outputs", ()) if output.get("name") == "stderr"]
        if cell.id == "setup":  # some messages of an import cannot be switched off
            cell.outputs = [output for output in cell.outputs if output not in errors]
        elif errors:
            raise ValueError(f"cell {cell.id} has printed to stderr: {errors[0].text}")


def stored(name: str, language: str = "en") -> nbformat.NotebookNode:
    """Read a notebook as it was last written."""
    file = FOLDERS[language] / f"{name}.ipynb"
    node: nbformat.NotebookNode = nbformat.read(file, 4)  # type: ignore[no-untyped-call]
    return node


def code_cells(notebook: nbformat.NotebookNode) -> dict[str, nbformat.NotebookNode]:
    """Return the code cells by id."""
    return {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}


def build(name: str, keep_outputs: bool) -> None:
    """Write a notebook in every language. It runs only once, because the code is the same.

    Raises:
        ValueError: the outputs cannot be kept, because the code has changed.
    """
    executed = stored(name) if keep_outputs else notebook(name, "en")
    if not keep_outputs:
        execute(executed)
    outputs = code_cells(executed)
    for language, folder in FOLDERS.items():
        translated = notebook(name, language)
        if {id: cell.source for id, cell in outputs.items()} != {
            id: cell.source for id, cell in code_cells(translated).items()
        }:
            raise ValueError(f"the code of {name} has changed: python notebooks/build.py {name}")
        translated.cells = [outputs.get(cell.id, cell) for cell in translated.cells]
        folder.mkdir(exist_ok=True)
        nbformat.write(translated, folder / f"{name}.ipynb")  # type: ignore[no-untyped-call]


def main() -> None:
    """Build the notebooks that the command line names, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(SOURCES)}; all if none is given"
    )
    parser.add_argument("--prose", action="store_true", help="keep the stored outputs")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in SOURCES]:
        parser.error(f"NAME must be one of {', '.join(SOURCES)}, got {', '.join(unknown)}")
    for name in arguments.names or SOURCES:
        print(name, flush=True)
        build(name, arguments.prose)


if __name__ == "__main__":
    main()
