"""The frame of a page: the templates, the static files in it, and its texts in two languages."""

from __future__ import annotations

import base64
import hashlib
import string
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from d2ldrop.page.code_words import CODE_WORDS
from d2ldrop.page.live_words import LIVE_WORDS
from d2ldrop.page.words import WORDS, Words
from d2ldrop.version import __version__

ALL_WORDS: Words = {**WORDS, **CODE_WORDS, **LIVE_WORDS}
"""The texts of all parts of a page."""
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of a page, without its scripts."""
FIRST = "page"
"""The style sheet and the script that come before the others: these may use what it defines."""


def render(template: str, *, more_scripts: Sequence[str] = (), **content: Any) -> str:
    """The HTML of a page: the template, with the styles and scripts of ``static/`` inside.

    Scripts run only if their SHA-256 is in the page's policy, so text of a run folder never runs.

    Args:
        template: a file in ``templates/``.
        more_scripts: after those of ``static/``.
        content: what the template shows; it is escaped.
    """
    return (
        environment()
        .get_template(template)
        .render(
            styles=[Markup(text) for text in static_files("css")],
            scripts=[Markup(text) for text in (*static_files("js"), *more_scripts)],
            policy=Markup(content_policy(more_scripts)),
            version=__version__,
            **content,
        )
    )


def content_policy(more_scripts: Sequence[str] = ()) -> str:
    """The Content-Security-Policy of a page with the scripts of ``static/`` and ``more_scripts``.

    Pages load nothing but images beside them, and the changes of the live page.
    """
    scripts = (*static_files("js"), *more_scripts)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in scripts]
    allowed = " ".join(f"'sha256-{each.decode()}'" for each in hashes)
    return f"{POLICY}; script-src {allowed}"


@cache
def live_script() -> str:
    """The script of the live page, which other pages do not need."""
    return (files("d2ldrop.page") / "static" / "live" / "live.js").read_text(encoding="utf-8")


def static_files(kind: str) -> list[str]:
    """The texts of all ``static/*.kind``, that of the frame first.

    Raises:
        ValueError: a file has the end tag of its element, which would end it in the page.
    """
    texts = {}
    for file in (files("d2ldrop.page") / "static").iterdir():
        if file.name.endswith(f".{kind}"):
            texts[file.name] = text = file.read_text(encoding="utf-8")
            if "</script" in text.lower() or "</style" in text.lower():
                raise ValueError(f"{file.name} must not have an end tag: it is inlined in a page")
    return [
        texts[name] for name in sorted(texts, key=lambda name: (name != f"{FIRST}.{kind}", name))
    ]


@cache
def environment() -> jinja2.Environment:
    """The templates, with the macro-like functions ``t`` and ``label``; everything is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("d2ldrop.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions: dict[str, Callable[..., Any]] = {"t": t, "label": label, "known": known}
    made.globals.update(functions)
    return made


def known(key: str) -> bool:
    """Whether there is a text with this key."""
    return key in ALL_WORDS


def t(key: str, **values: Any) -> Markup:
    """A fixed text in both languages: two spans, of which the style sheet shows one.

    Args:
        key: its key in the words.
        values: for the fields in its braces; they are escaped.
    """
    english, chinese = _texts(key)
    if english == chinese and not values:
        return escape(english)
    return Markup('<span lang="en">{}</span><span lang="zh">{}</span>').format(
        Markup(english).format(**values),
        Markup(chinese).format(**values),
    )


def label(attribute: str, key: str, **values: Any) -> Markup:
    """An attribute, such as ``aria-label`` or ``alt``, whose text the script translates.

    Without JavaScript it is English. An element can have one such attribute.
    """
    english, chinese = (text.format(**values) for text in _texts(key))
    return Markup('{0}="{1}" data-translated="{0}" data-en="{1}" data-zh="{2}"').format(
        attribute, english, chinese
    )


def fields(text: str) -> set[str]:
    """The names of the fields in the braces of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _texts(key: str) -> tuple[str, str]:
    if key not in ALL_WORDS:
        raise KeyError(f"no text has the key {key!r}: add it to the words of its part of the page")
    return ALL_WORDS[key]
