"""The source of functions: found without an import, compared, coloured, and shown in the page."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape
from importlib.resources import files
from pathlib import Path

import pytest

from d2ldrop.backend import backend_names
from d2ldrop.contract import CONCISE, Backend, Tracer
from d2ldrop.entry_points import modules_of
from d2ldrop.page.code_section import code_section
from d2ldrop.page.colouring import html_lines
from d2ldrop.page.differences import blocks, differing_words, rows
from d2ldrop.page.listings import (
    about,
    check_function,
    find_listing,
    function_names,
    readable_backends,
)
from d2ldrop.page.modules import read_module
from d2ldrop.page.sections import Page, Section
from tests.conftest import FRAMEWORKS
from tests.page.contrast import contrast

ROOT = Path(__file__).parents[2]
OWN = ["numpy", "torch", "tensorflow", "mxnet", "paddle", "jax"]
REQUIRED = [name for name in (*vars(Backend), *CONCISE) if name[0] != "_"]

Install = Callable[[str, str], None]
"""Installs a backend with that name and that source, like a third party's package."""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, source: str) -> None:
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        entry = f"[d2ldrop.backends]\n{name} = {name}_package.backend\n"
        (info / "entry_points.txt").write_text(entry)
        package = tmp_path / f"{name}_package"
        package.mkdir()
        (package / "__init__.py").write_text("raise AssertionError('imported')\n")
        (package / "backend.py").write_text(source, encoding="utf-8")
        modules_of.cache_clear()

    yield install
    modules_of.cache_clear()
    read_module.cache_clear()


@pytest.mark.parametrize("name", OWN)
def test_every_backend_has_the_functions_of_its_contract(name: str) -> None:
    source = (ROOT / "backends" / f"d2ldrop_{name}.py").read_text(encoding="utf-8")
    for function in REQUIRED:
        listing = find_listing(function, name)
        assert listing is not None
        assert "\n".join(listing.lines) in source
        assert source.split("\n")[listing.line - 1] == listing.lines[0]
        assert f"def {function}(" in "\n".join(listing.lines)


def test_compiled_functions_are_in_the_second_module_or_missing() -> None:
    steps, layer = find_listing("train_steps", "jax"), find_listing("traced_layer", "torch")
    assert steps is not None
    assert (steps.file, steps.lines[0]) == ("d2ldrop_jax_compiled.py", "def train_steps(")
    assert layer is not None
    assert find_listing("train_steps", "torch") is None
    assert find_listing("traced_layer", "numpy") is None


def test_a_decorator_belongs_to_its_function() -> None:
    listing = find_listing("train_step", "jax")
    assert listing is not None
    assert listing.lines[:2] == ("@compiled", "def train_step(")


def test_no_framework_and_no_backend_is_imported() -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({FRAMEWORKS}))\n"
        "from d2ldrop.page.listings import *\n"
        f"assert all(find_listing('mlp', name) for name in {OWN})\n"
        "assert [name for name in sys.modules if name.startswith('d2ldrop_')] == []"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_backend_of_a_third_party(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests" / "seventh" / "distribution")
    install("minitape", "")
    (tmp_path / "minitape-1.0.dist-info" / "entry_points.txt").write_text(
        "[d2ldrop.backends]\nminitape = d2ldrop_minitape\n"
        "[d2ldrop.compiled]\nminitape = d2ldrop_minitape_compiled\n"
    )
    modules_of.cache_clear()
    assert backend_names() == [*OWN, "minitape"]
    assert all(find_listing(name, "minitape") for name in (*REQUIRED, "train_steps"))
    assert "d2ldrop_minitape" not in sys.modules


def test_comments_definitions_in_branches_and_a_function_that_is_a_value(install: Install) -> None:
    install(
        "odd",
        "# of the module\n\n# why\n# it is so\n@wraps\ndef mlp(): pass\n\n"
        "if True:\n    def predict():\n        return 1\nelse:\n    def predict(): pass\n"
        "train_step = jit(\n    step)\n"
        "def twice(): return 1\n\x0c\ndef twice(): return 2\ndef _hidden(): pass\n",
    )
    assert _source("mlp", "odd") == "# why\n# it is so\n@wraps\ndef mlp(): pass"
    assert _source("predict", "odd") == "def predict():\n    return 1"
    assert _source("train_step", "odd") == "train_step = jit(\n    step)"
    assert _source("twice", "odd") == "def twice(): return 2"
    assert function_names(["odd"]) == ["mlp", "train_step", "predict", "twice"]


def test_imports_of_the_functions_of_the_contract_are_followed(
    install: Install, tmp_path: Path
) -> None:
    install(
        "far",
        "from absent import mlp\n"
        "from .steps import take as train_step, helper\n"
        "from .steps import *\n",
    )
    (tmp_path / "far_package" / "steps.py").write_text(
        "from .backend import *\n"
        "def take(): return 1\n"
        "def helper(): pass\n"
        "def predict(): return 2\n"
    )
    assert _source("train_step", "far") == "def take(): return 1"
    assert _source("predict", "far") == "def predict(): return 2"
    assert find_listing("mlp", "far") is None
    assert find_listing("helper", "far") is None
    assert find_listing("devices", "far") is None  # the two modules import each other


@pytest.mark.parametrize("source", ["def mlp(:\n", "\0"])
def test_a_backend_that_cannot_be_read_does_not_hide_others(install: Install, source: str) -> None:
    install("broken", source)
    readable, (problem,) = readable_backends(["numpy", "broken"])
    assert readable == ["numpy"]
    assert "'broken' cannot be shown: the source of the module broken_package.backend" in problem


def test_a_backend_without_its_module(install: Install, tmp_path: Path) -> None:
    install("gone", "")
    (tmp_path / "gone_package" / "backend.py").unlink()
    readable, (problem,) = readable_backends(["gone"])
    assert readable == []
    assert "the module gone_package.backend cannot be found" in problem


def test_what_a_function_does_is_in_the_contract_or_in_its_backend() -> None:
    assert about("predict", ["numpy"]) == (Backend.predict.__doc__ or "").split("\n")[0]
    assert about("traced_layer", ["torch"]) == (Tracer.traced_layer.__doc__ or "").split("\n")[0]
    assert about("backward", ["torch", "numpy"]).startswith("The gradients of the parameters")


def test_a_backend_in_place_of_a_function() -> None:
    with pytest.raises(ValueError, match="'torch' is a backend: give a function first"):
        check_function("torch", OWN)


def test_lines_that_differ() -> None:
    left = ["def f():", "    a = 1", "    return a"]
    right = ["def f():", "    with g():", "        a = 1", "        return b"]
    assert blocks(left, right) == [(1, 1, 1, 2), (2, 3, 3, 4)]
    assert [(row.left, row.right, row.differs) for row in rows(left, right)] == [
        (0, 0, False), (None, 1, True), (1, 2, False), (2, 3, True),
    ]  # fmt: skip
    assert blocks(left, left) == []


def test_words_that_differ() -> None:
    left, right = "    x = torch.rand(n)", "  x = jax.rand(n, 2)"
    spans = differing_words(left, right)
    assert [left[a:b] for a, b in spans[0]] == ["torch"]
    assert [right[a:b] for a, b in spans[1]] == ["jax", ", 2"]


def test_coloured_lines_keep_the_text_and_escape_it() -> None:
    source = (
        'def f(x: "<b>"):',
        '    """Two',
        "",
        '    lines & more."""',
        "    return x < 1  # é",
        "",
    )
    html = html_lines(source)
    assert [_text(line) for line in html] == list(source)
    assert "<b>" not in "".join(html)
    assert '<span class="c"># é</span>' in html[4]
    assert all(line.count("<span") == line.count("</span") for line in html)


def test_every_colour_of_the_page_has_enough_contrast() -> None:
    css = (files("d2ldrop.page") / "static" / "code.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    for scheme in (light, dark):
        colours = dict(re.findall(r"--code-(\w+): #(\w{6});", scheme))
        backs = [colours.pop(name) for name in ("back", "differs")]
        del colours["edge"]  # no text
        assert len(colours) == 8
        assert min(contrast(text, back) for text in colours.values() for back in backs) >= 4.5


def test_the_section_of_some_backends() -> None:
    section = code_section(["torch", "torch-concise", "absent", "jax"], chosen="jax")
    assert section.backends == [("torch", "PyTorch"), ("jax", "JAX")]
    by_name = {function.name: function for function in section.functions}
    assert [panel.listing is None for panel in by_name["train_steps"].panels] == [True, False]
    assert by_name["train_steps"].differences == {}
    assert by_name["predict"].differences == {"torch jax": [(2, 3, 2, 2)]}
    assert by_name["draw_later"].helper
    assert not by_name["train_steps"].helper


def test_markup_in_a_backend_stays_text(install: Install) -> None:
    evil = "<script>alert(1)</script>"
    install("evil", f'def mlp():\n    """{evil}"""\n\ndef own():\n    """{evil} ``{evil}``"""\n')
    data = code_section(["numpy", "evil"])
    html = Page("code", evil, evil, [Section("code", "code", "code.html", data)]).html()
    assert evil not in html
    assert "<code>&lt;script&gt;alert(1)&lt;/script&gt;</code>" in html
    assert "numpy evil" in html


def _text(html: str) -> str:
    return unescape(re.sub("<.*?>", "", html))


def _source(name: str, backend: str) -> str:
    listing = find_listing(name, backend)
    assert listing is not None
    return "\n".join(listing.lines)
