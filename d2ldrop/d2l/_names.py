"""The errors for names that d2ldrop.d2l and its modules do not have."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NoReturn

from d2ldrop.core.suggestions import did_you_mean

EDITIONS = "Chinese edition 2.0, English edition 0.17"
SECTIONS = "sections 3.1 to 4.9"
PACKAGE = "d2l 0.17.6"
"""The last version of the book's own package that has the functions of these editions."""


def unknown_name(module: str, known: Collection[str]) -> Callable[[str], NoReturn]:
    """Return the ``__getattr__`` of a framework's module. Its error lists the names ``known``."""

    def explain(name: str) -> str:
        hint = did_you_mean(name, known)
        return (
            f"{module} has no {name!r}{hint or '.'} It has the names that {SECTIONS} of "
            f"Dive into Deep Learning use ({EDITIONS}): {', '.join(sorted(known))}. "
            f"All other names are in the book's own package, {PACKAGE}"
        )

    return _getattr(module, explain)


def name_without_framework(module: str) -> Callable[[str], NoReturn]:
    """Return the ``__getattr__`` of the package. Its error says to choose a framework."""
    return _getattr(
        module,
        lambda name: (
            f"{module} has no {name!r}: the book's names are in one module per framework; "
            f"from {module} import torch as d2l (or mxnet, tensorflow, paddle)"
        ),
    )


def _getattr(module: str, explain: Callable[[str], str]) -> Callable[[str], NoReturn]:
    def missing(name: str) -> NoReturn:
        if name.startswith("_"):  # Python, notebooks and test tools try such names
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        raise AttributeError(explain(name), name=name)  # without `name`, Python adds a suggestion

    return missing
