"""The source of each function of the backends. No framework and no backend is imported."""

from __future__ import annotations

import ast
import importlib.util
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from d2ldrop.backend import GROUP, backend_names
from d2ldrop.contract import CONCISE, Backend, ConciseBackend, Tracer
from d2ldrop.core.suggestions import did_you_mean
from d2ldrop.entry_points import modules_of
from d2ldrop.frameworks import aliases
from d2ldrop.page.modules import SourceModule, read_module

GROUPS = (GROUP, "d2ldrop.compiled")
"""The entry-point groups that register the modules of a backend."""


def _functions(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


_REQUIRED = _functions(Backend)
_FIRST = _REQUIRED.index("dropout_layer")
CONTRACT = (
    *_REQUIRED[_FIRST:],
    *CONCISE,
    "train_steps",
    *_functions(Tracer),
    *_REQUIRED[:_FIRST],
)
"""The functions of a backend's protocols: what a reader looks for first, conversions last."""


@dataclass(frozen=True)
class Listing:
    """The source of one function of one backend.

    Attributes:
        backend: the backend's name.
        name: the function's name.
        file: the name of the file.
        line: the number of the first line in the file; the first line of a file is 1.
        lines: the source, with its decorators and the comment directly above it.
        about: the first line of its docstring; may be empty.
    """

    backend: str
    name: str
    file: str
    line: int
    lines: tuple[str, ...]
    about: str


def check_backend(name: str) -> None:
    """Raise ValueError unless a backend is registered with that name, installed or not."""
    if name not in backend_names():
        hint = did_you_mean(name, backend_names(), aliases())
        known = ", ".join(backend_names())
        raise ValueError(f"unknown backend {name!r}: expected one of {known}{hint}")


def check_function(name: str, backends: Iterable[str]) -> None:
    """Raise ValueError unless one of the ``backends`` has a function with that name."""
    known = function_names(backends)
    if name not in known:
        if name in backend_names():
            raise ValueError(f"{name!r} is a backend: give a function first, then the backends")
        hint = did_you_mean(name, known)
        raise ValueError(f"unknown function {name!r}: d2ldrop show lists all names{hint}")


def readable_backends(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Those of the backends ``names`` whose modules can be read, and a sentence for each other."""
    readable, problems = [], []
    for name in names:
        try:
            backend_modules(name)
        except (ImportError, ValueError) as error:
            problems.append(f"The source of the backend {name!r} cannot be shown: {error}.")
        else:
            readable.append(name)
    return readable, problems


def backend_modules(backend: str) -> list[SourceModule]:
    """The modules of a backend: its own, and that of compiled functions if it has one.

    Raises:
        ImportError: one cannot be found or read.
        ValueError: one cannot be parsed.
    """
    entries = [modules_of(group).get(backend) for group in GROUPS]
    return [read_module(entry.value) for entry in entries if entry is not None]


def function_names(backends: Iterable[str]) -> list[str]:
    """The public functions of the backends: those of the contract, then their own helpers."""
    modules = [module for backend in backends for module in backend_modules(backend)]
    own = [
        name
        for module in modules
        for name, statement in _definitions(module).items()
        if isinstance(statement, ast.FunctionDef) and not name.startswith("_")
    ]
    in_contract = [n for n in CONTRACT if any(_find(n, module) is not None for module in modules)]
    return list(dict.fromkeys([*in_contract, *own]))


def find_listing(name: str, backend: str) -> Listing | None:
    """The function ``name`` of a backend; None if it has none. Errors: ``backend_modules``."""
    for module in backend_modules(backend):
        found = _find(name, module)
        if found is not None:
            return _listing(name, backend, *found)
    return None


def about(name: str, backends: Iterable[str]) -> str:
    """What a function does: the first line of its docstring in the contract, else in a backend."""
    for protocol in (Backend, ConciseBackend, Tracer):
        method = vars(protocol).get(name)
        if method is not None:
            return str(method.__doc__).partition("\n")[0]
    listings = (find_listing(name, backend) for backend in backends)
    return next((each.about for each in listings if each is not None and each.about), "")


Found = tuple[SourceModule, ast.stmt]


def _find(name: str, module: SourceModule, seen: frozenset[str] = frozenset()) -> Found | None:
    """Where a function is defined. The imports of functions of the contract are followed."""
    statement = _definitions(module).get(name)
    if statement is not None:
        return module, statement
    if name not in CONTRACT or module.name in seen:
        return None
    for home, original in _imports_of(name, module):
        try:
            source = read_module(home)
        except (ImportError, ValueError):  # a framework that is not installed, for example
            continue
        found = _find(original, source, seen | {module.name})
        if found is not None:
            return found
    return None


def _imports_of(name: str, module: SourceModule) -> Iterator[tuple[str, str]]:
    """The modules that ``name`` may come from, and its name there."""
    for statement in module.tree.body:
        if not isinstance(statement, ast.ImportFrom):
            continue
        home = "." * statement.level + (statement.module or "")
        if statement.level:
            home = importlib.util.resolve_name(home, module.package)
        for alias in statement.names:
            if alias.name == "*":
                yield home, name
            elif (alias.asname or alias.name) == name:
                yield home, alias.name


def _definitions(module: SourceModule) -> dict[str, ast.stmt]:
    """The functions and values that a module defines, by name; of two the later one counts.

    Those inside ``if``, ``try`` and ``with`` count if there is none outside.
    """
    inside: dict[str, ast.stmt] = {}
    outside: dict[str, ast.stmt] = {}
    for statement in module.tree.body:
        if isinstance(statement, (ast.If, ast.Try, ast.With)):
            for inner in ast.walk(statement):
                if isinstance(inner, ast.FunctionDef):
                    inside.setdefault(inner.name, inner)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            outside[statement.name] = statement
        elif isinstance(statement, ast.Assign):
            names = [each.id for each in statement.targets if isinstance(each, ast.Name)]
            outside |= dict.fromkeys(names, statement)
    return inside | outside


def _listing(name: str, backend: str, module: SourceModule, statement: ast.stmt) -> Listing:
    first, docstring = statement.lineno, ""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        first = min([first, *(each.lineno for each in statement.decorator_list)])
        docstring = ast.get_docstring(statement) or ""
    first = _with_comment(module.lines, first)
    source = textwrap.dedent("\n".join(module.lines[first - 1 : statement.end_lineno]))
    about, _, _ = docstring.partition("\n")
    return Listing(backend, name, module.file, first, tuple(source.split("\n")), about)


def _with_comment(lines: Sequence[str], first: int) -> int:
    """The line where the comment directly above line ``first`` begins."""
    while first > 1 and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    return first
