"""A backend without the concise functions is found without importing its framework."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from d2ldrop import backend_names
from d2ldrop.contract import CONCISE
from d2ldrop.training.outline import check_concise, top_level_names


@pytest.mark.parametrize("name", ["numpy", "torch", "tensorflow", "mxnet", "paddle", "jax"])
def test_the_backends_of_this_project_have_them(name: str) -> None:
    if name not in backend_names():
        pytest.skip(f"{name} is not registered here")
    before = set(sys.modules)
    check_concise(name)
    assert name == "numpy" or name not in set(sys.modules) - before


def test_names_of_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')\n")
    (package / "module.py").write_text(
        "import a.b\nfrom c import d as concise_step\nconcise_mlp = e = None\n"
        "try:\n    def concise_predict(): ...\nexcept ImportError: ...\n"
    )
    (package / "star.py").write_text("from os import *\n")
    (package / "broken.py").write_text("def (\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    names = top_level_names("some_package.module")
    assert names is not None
    assert set(CONCISE) - names == {"concise_params"}
    for unknown in ("some_package.star", "some_package.broken", "some_package.none", "sys"):
        assert top_level_names(unknown) is None
