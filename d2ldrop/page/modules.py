"""The source of a module, found without importing it: a framework may not be installed."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import PurePath


@dataclass(frozen=True)
class SourceModule:
    """A module that was read and parsed, but not imported.

    Attributes:
        name: its full name.
        file: the name of its file, without the folder.
        package: the package from which its relative imports start.
        lines: its source, without the ends of lines.
        tree: the parsed source.
    """

    name: str
    file: str
    package: str
    lines: tuple[str, ...]
    tree: ast.Module


@cache
def read_module(name: str) -> SourceModule:
    """Read the module ``name``.

    Raises:
        ModuleNotFoundError: there is no such module.
        ImportError: it has no source, or its file cannot be read.
        ValueError: its source is not Python.
    """
    spec = _find_spec(name)
    get_source = getattr(spec.loader, "get_source", None)
    try:
        source = None if get_source is None else get_source(name)
        if source is None:
            raise ImportError(f"the module {name} has no source to show", name=name)
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"the source of the module {name} cannot be parsed: {error}") from error
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    # Not splitlines, which also splits at form feeds: ast does not count those.
    lines = tuple(source.split("\n"))
    return SourceModule(name, PurePath(spec.origin or name).name, package, lines, tree)


def _find_spec(name: str) -> ModuleSpec:
    """Where the module is. ``find_spec`` of a dotted name would import the packages around it."""
    top, *inner = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # its import is blocked, or it is __main__
        spec = None
    for part in inner:
        if spec is not None and spec.submodule_search_locations is not None:
            spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
        else:
            spec = None
    if spec is None:
        raise ModuleNotFoundError(f"the module {name} cannot be found", name=name)
    return spec
