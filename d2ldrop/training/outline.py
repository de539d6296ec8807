"""Which functions a backend's module has, without importing its framework."""

from __future__ import annotations

import ast
import importlib.machinery
import sys

from d2ldrop.contract import CONCISE
from d2ldrop.entry_points import modules_of


def check_concise(backend: str) -> None:
    """Raise ValueError if the module of ``backend`` certainly lacks a concise function.

    A third party's backend may have only the functions from scratch. The module's source is read,
    and nothing is imported. A module without source, or with ``import *``, passes.
    """
    entry = modules_of("d2ldrop.backends").get(backend)
    if entry is None:
        return
    names = top_level_names(entry.value)
    missing = [] if names is None else [name for name in CONCISE if name not in names]
    if missing:
        raise ValueError(
            f"implementation 'concise' of {backend} is missing: its module {entry.value} lacks "
            f"{', '.join(missing)}; implementation 'scratch' works"
        )


def top_level_names(module: str) -> set[str] | None:
    """The names that the source of ``module`` binds at its top level; None if unknown."""
    tree = _source(module)
    if tree is None:
        return None
    names: set[str] = set()
    for node in ast.walk(tree):  # also in the branches of an "if" or a "try"
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return None if names & {"*", "__getattr__"} else names


def _source(module: str) -> ast.Module | None:
    """The syntax tree of a module; None if it has no readable source.

    Packages above it are not imported, unlike by ``importlib.util.find_spec``.
    """
    path, name = sys.path, ""
    spec = None
    for part in module.split("."):
        name = f"{name}.{part}".lstrip(".")
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    loader = getattr(spec, "loader", None)
    if not isinstance(loader, importlib.machinery.SourceFileLoader):
        return None
    try:
        return ast.parse(loader.get_data(loader.path))
    except (OSError, SyntaxError, ValueError):  # its import will show the error
        return None
