"""Which parts of Python code have a colour, in the page and in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from pygments import highlight
from pygments.filter import Filter
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, Text

if TYPE_CHECKING:
    from pygments.token import _TokenType

COLOURED = (
    Comment,
    Keyword,
    Name.Builtin,
    Name.Decorator,
    Name.Function,
    Number,
    Operator.Word,
    String,
)
"""The kinds of tokens with a colour of their own; all others have that of the text."""


class ColouredOnly(Filter):
    """Replace the kind of a token by that of COLOURED, or by Text, so that pages stay small."""

    def filter(
        self,
        lexer: Any,
        stream: Iterable[tuple[_TokenType, str]],
    ) -> Iterator[tuple[_TokenType, str]]:
        """Yield the same text with these kinds."""
        for kind, text in stream:
            yield next((each for each in COLOURED if _is_within(kind, each)), Text), text


def _is_within(kind: _TokenType, outer: _TokenType) -> bool:
    """Whether ``kind`` is ``outer`` or one of its parts."""
    return kind[: len(outer)] == outer


def python_lexer() -> PythonLexer:
    """Pygments's lexer, with the kinds of COLOURED only. It keeps empty lines at both ends."""
    lexer = PythonLexer(stripnl=False)
    lexer.add_filter(ColouredOnly())
    return lexer


def html_lines(lines: Sequence[str]) -> list[Markup]:
    """Each line as escaped HTML, with a class of Pygments around each coloured token."""
    html = highlight("\n".join(lines), python_lexer(), HtmlFormatter(nowrap=True))
    return [Markup(line) for line in html.split("\n")[: len(lines)]]
