"""Invented checks and samples of a comparison, and a page as its elements and its text."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from d2ldrop.cli.main import cli
from d2ldrop.page.report import make_report
from d2ldrop.training.samples import Samples, write_samples
from tests.page.chart_runs import invented_losses

EVIL = "<script>alert('x')</script>&\"'"
RUNS = {"numpy": invented_losses(2), "torch": invented_losses(2)}


def a_check(what: str = "whole run", steps: int = 20, **in_lockstep: bool) -> dict[str, Any]:
    """A lockstep check of a summary, in which the other rows differ by 1e-12."""
    return {
        "what": what,
        "steps": steps,
        "yardstick": 1e-12,
        "limit": 1e-11,
        "difference": {name: 0.0 if name == "numpy" else 1e-12 for name in in_lockstep},
        "in_lockstep": in_lockstep,
    }


def small_samples(flipped: bool = False) -> Samples:
    """Two images, and a mask per hidden layer; a bit outside the picture may be flipped."""
    mask = np.random.default_rng(0).random((40, 70)) < 0.5
    if flipped:
        mask = mask.copy()
        mask[39, 69] ^= True
    mean = np.zeros((2, 10))
    mean[0, 3], mean[1, 7] = 0.75, 0.5
    images = np.zeros((2, 784), np.uint8)
    labels = np.array([3, 5], np.uint8)
    return Samples(images, labels, mean, mean / 8, 100, (mask, mask))


def add_samples(folder: Path, **flipped: bool) -> None:
    for name, flip in flipped.items():
        digest = json.loads((folder / name / "result.json").read_text())["digest"]
        write_samples(folder / name, small_samples(flip), digest)


class Page(HTMLParser):
    """The elements and the English text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._skip = 0
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._skip += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._skip -= 1

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.text += f"{data} "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(folder: Path) -> Page:
    return Page(make_report(folder).html)


def report(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["report", *arguments])
