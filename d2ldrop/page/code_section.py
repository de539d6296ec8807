"""The functions of the backends for the template ``code.html``: coloured, with differences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from markupsafe import Markup, escape

from d2ldrop.backend import backend_names
from d2ldrop.frameworks import title
from d2ldrop.page.colouring import html_lines
from d2ldrop.page.differences import Block, blocks
from d2ldrop.page.listings import (
    CONTRACT,
    Listing,
    about,
    find_listing,
    function_names,
    readable_backends,
)


@dataclass(frozen=True)
class Panel:
    """One function of one backend.

    Attributes:
        backend: the backend's name.
        framework: the framework's official name.
        listing: the source; None if the backend has no such function.
        lines: each line as HTML.
    """

    backend: str
    framework: str
    listing: Listing | None
    lines: list[Markup]


@dataclass(frozen=True)
class CodeFunction:
    """One function of all backends.

    Attributes:
        name: its name.
        about: the first line of its docstring.
        helper: whether it is not in the contract. It is hidden beside a framework that lacks it.
        panels: one for each backend.
        differences: for "numpy torch" and so on, the blocks of lines that differ.
    """

    name: str
    about: Markup
    helper: bool
    panels: list[Panel]
    differences: dict[str, list[Block]]


@dataclass(frozen=True)
class CodeSection:
    """The data of the template.

    Attributes:
        backends: (name, official name of the framework) of each backend.
        functions: the functions, those of the contract first.
        chosen: the backend that is shown first; empty: what the reader chose last time.
        compared: the backend beside it; empty for none.
        problems: a sentence for each backend whose source cannot be read.
    """

    backends: list[tuple[str, str]]
    functions: list[CodeFunction]
    chosen: str
    compared: str
    problems: list[str]


def code_section(
    names: Iterable[str], functions: Sequence[str] = (), chosen: str = "", compared: str = ""
) -> CodeSection:
    """The code of some backends.

    Args:
        names: backends or variants of them, such as "torch-concise"; unknown ones are left out.
        functions: which functions; all if empty.
        chosen: the backend to show first.
        compared: the backend to show beside it.
    """
    known = backend_names()
    wanted = dict.fromkeys(name.partition("-")[0] for name in names)
    backends, problems = readable_backends(name for name in wanted if name in known)
    shown = functions or function_names(backends)
    return CodeSection(
        backends=[(name, title(name)) for name in backends],
        functions=[_function(name, backends) for name in shown],
        chosen=chosen,
        compared=compared,
        problems=problems,
    )


def _function(name: str, backends: Sequence[str]) -> CodeFunction:
    listings = {backend: find_listing(name, backend) for backend in backends}
    found = {backend: each.lines for backend, each in listings.items() if each is not None}
    return CodeFunction(
        name=name,
        about=_literals(about(name, backends)),
        helper=name not in CONTRACT,
        panels=[
            Panel(backend, title(backend), listing, html_lines(found.get(backend, ())))
            for backend, listing in listings.items()
        ],
        differences={
            f"{left} {right}": blocks(found[left], found[right])
            for left, right in combinations(found, 2)
        },
    )


def _literals(text: str) -> Markup:
    """``text`` as HTML, with its literals in double backquotes as code."""
    return Markup(re.sub("``(.+?)``", r"<code>\1</code>", escape(text)))
