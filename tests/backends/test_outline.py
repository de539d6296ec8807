"""All backends have the same functions in the same order, with the same parameters."""

from __future__ import annotations

import ast
import inspect
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from d2ldrop.contract import Backend, ConciseBackend

# NumPy has these functions, too, because its backward pass is written by hand.
ALONE = {
    "d2ldrop_numpy": {"forward", "backward", "cross_entropy_and_gradient", "draw_masks"},
}
LINES = {"d2ldrop_numpy": 200, "d2ldrop_jax": 160}
"""The largest number of lines of a backend; 155 if it is not given here."""

# mypy and pyright report an error here if a module lacks a function of ConciseBackend.
if TYPE_CHECKING:
    import d2ldrop_jax
    import d2ldrop_mxnet
    import d2ldrop_numpy
    import d2ldrop_paddle
    import d2ldrop_tensorflow
    import d2ldrop_torch

    _numpy: ConciseBackend[d2ldrop_numpy.Array] = d2ldrop_numpy
    _torch: ConciseBackend[d2ldrop_torch.Array] = d2ldrop_torch
    _tensorflow: ConciseBackend[Any] = d2ldrop_tensorflow
    _mxnet: ConciseBackend[Any] = d2ldrop_mxnet
    _paddle: ConciseBackend[d2ldrop_paddle.Array] = d2ldrop_paddle
    _jax: ConciseBackend[d2ldrop_jax.Array] = d2ldrop_jax


def modules() -> list[str]:
    return sorted(entry.value for entry in entry_points(group="d2ldrop.backends"))


def tree(module: str) -> ast.Module:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).read_text())


def functions(module: str) -> dict[str, list[str]]:
    return {
        node.name: [arg.arg for arg in (*node.args.args, *node.args.kwonlyargs)]
        for node in tree(module).body
        if isinstance(node, ast.FunctionDef) and node.name not in ALONE.get(module, ())
    }


@pytest.mark.parametrize("module", modules())
def test_functions_and_parameters_match_the_protocol(module: str) -> None:
    expected = {
        name: [p for p in inspect.signature(member).parameters if p != "self"]
        for name, member in [*vars(Backend).items(), *vars(ConciseBackend).items()]
        if inspect.isfunction(member) and not name.startswith("_")
    }
    assert list(functions(module).items()) == list(expected.items())


@pytest.mark.parametrize("module", modules())
def test_a_backend_is_short(module: str) -> None:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    lines = Path(spec.origin).read_text().splitlines()
    assert len(lines) <= LINES.get(module, 155)


@pytest.mark.parametrize("module", modules())
def test_dropout_layer_ends_with_the_line_of_the_book(module: str) -> None:
    layer = next(
        node
        for node in tree(module).body
        if isinstance(node, ast.FunctionDef) and node.name == "dropout_layer"
    )
    returns = [
        node.value for node in ast.walk(layer) if isinstance(node, ast.Return) and node.value
    ]
    last = max(returns, key=lambda value: value.lineno)
    assert ast.unparse(last) == "mask * X / (1 - dropout)"


@pytest.mark.parametrize("module", modules())
def test_the_docstring_lists_the_peculiarities_of_the_framework(module: str) -> None:
    lines = (ast.get_docstring(tree(module)) or "").splitlines()
    assert lines[0].endswith(".") or lines[0].endswith(":")
    assert any(line.startswith("What is particular to ") for line in lines)
    assert 2 <= sum(line.startswith("- ") for line in lines) <= 4


@pytest.mark.parametrize("module", modules())
def test_every_function_has_a_docstring_and_fits_on_a_screen(module: str) -> None:
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef):
            assert ast.get_docstring(node), node.name
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 45, node.name


def test_mlp_has_the_local_names_of_the_book() -> None:
    for module in set(modules()) - {"d2ldrop_numpy"}:
        mlp = next(
            n for n in tree(module).body if isinstance(n, ast.FunctionDef) and n.name == "mlp"
        )
        stored = [
            n.id for n in ast.walk(mlp) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        assert set(stored) == {"W1", "b1", "W2", "b2", "W3", "b3", "H1", "H2"}, module
