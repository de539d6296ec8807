"""What several tests of pages in a browser need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # no types
from playwright.sync_api import Page, ViewportSize

from d2ldrop.page.report import write_report
from tests.page.made_up import write_comparison

OpenPage = Callable[..., Page]
Screenshot = Callable[..., None]
NARROW: ViewportSize = {"width": 400, "height": 800}


def report(folder: Path, **options: Any) -> Path:
    """Write a made-up comparison (see ``MadeUp``) and its page; return the page."""
    return write_report(write_comparison(folder, **options))


def violations(page: Page) -> list[str]:
    """A sentence for each rule of axe-core that the page violates, with the first elements."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: " + "; ".join(node["html"][:200] for node in one["nodes"][:4])
        for one in found
    ]


def too_wide(page: Page) -> list[str]:
    """The elements that reach beyond the right edge and do not scroll inside another element."""
    found: list[str] = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          const scrolls = (one) => /(auto|scroll|hidden)/.test(getComputedStyle(one).overflowX);
          const inside = (one) =>
            one && one !== document.body && (scrolls(one) || inside(one.parentElement));
          return [...document.body.querySelectorAll("*")]
            .filter((one) => one.getBoundingClientRect().right > width + 1 && !inside(one))
            .slice(0, 5)
            .map((one) => one.outerHTML.slice(0, 120));
        }"""
    )
    return found
