"""What a page consists of: sections, each with a template and the data that it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from d2ldrop.page.frame import render
from d2ldrop.page.verdict import Line

REPORT = "report.html"
"""The name of a page's file in its folder."""


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        key: its anchor.
        title_key: the key of its heading in the words.
        template: the file in ``templates/`` that shows it; it finds the data as ``data``.
        data: what it shows.
    """

    key: str
    title_key: str
    template: str
    data: Any


@dataclass(frozen=True)
class Page:
    """A page before it is rendered.

    Attributes:
        kind: "comparison", "run", "experiment" or "benchmark".
        title: its heading.
        subtitle: the settings in one line.
        sections: what it shows.
        problems: a sentence for each file that cannot be read.
        verdict: the sentences at the top.
        stand_in: whether the data are not Fashion-MNIST.
    """

    kind: str
    title: str
    subtitle: str
    sections: list[Section]
    problems: tuple[str, ...] = ()
    verdict: tuple[Line, ...] = ()
    stand_in: bool = False

    def html(self) -> str:
        """The whole page."""
        return render("report.html", **vars(self))
