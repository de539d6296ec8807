"""Pages in Chromium, driven by Playwright.

A test asks for ``open_page``. It fails if a page writes an error to the console, raises an error in
a script, or asks the network for anything. The screenshots in ``screenshots/`` are for people.

Playwright's greenlets keep an event loop running in this thread, so these tests have a process of
their own under pytest-xdist (see tests/conftest.py).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    FloatRect,
    Page,
    Request,
    expect,
    sync_playwright,
)

from d2ldrop.page.report import write_report
from tests.page.browser.helpers import OpenPage, Screenshot, report
from tests.page.made_up import CONCISE, SIX, write_comparison

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SCREENSHOTS = Path(__file__).parent / "screenshots"
TALLEST = 16_000  # pixels
PATIENCE = 60_000  # milliseconds: other tests may keep every core busy, and no test is about this


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser of all tests. Without one they are skipped, but in CI they fail."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing = f"no browser: install Chromium ({' or '.join(NAMES)} on the PATH)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses a sandbox to root
    args = ["--disable-gpu", *(["--no-sandbox"] if root else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=args)
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


class Watched:
    """The pages of one test, and what they did that a page must not do."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def open(self, address: Path | str, query: str = "", **settings: Any) -> Page:
        """Open a file or an address.

        Args:
            address: a file, or a URL; other requests than to its host are refused.
            query: the end of the URL, such as "?lang=zh".
            settings: of the browser's context, such as ``color_scheme`` and ``viewport``.
        """
        url = (address.as_uri() if isinstance(address, Path) else address) + query
        context = self.browser.new_context(**settings)
        context.set_default_timeout(PATIENCE)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("request", lambda request: self._request(request, url))
        page.goto(url)
        return page

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"console: {kind}: {text}")

    def _request(self, request: Request, url: str) -> None:
        own = re.split("[?#]", url)[0] if url.startswith("file:") else "/".join(url.split("/")[:3])
        if not request.url.startswith((own, "data:", "blob:")):
            self.complaints.append(f"request: {request.url[:200]}")

    def close(self) -> None:
        for context in self.contexts:
            context.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Opens a page; at the end of the test there must be no complaint about it."""
    watched = Watched(chromium)
    yield watched.open
    watched.close()
    assert not watched.complaints


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Screenshot:
    """Keeps a picture of a page, named by the test: of the whole page, or of the window.

    Of a page that is taller than ``TALLEST`` pixels it shows the upper part. Chromium draws without
    a graphics card here, and a page with all of its tabs open has 43 million pixels.
    """

    def keep(page: Page, suffix: str = "", whole: bool = True) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        name = re.sub(r"\W+", "-", f"{request.node.name}-{suffix}".removeprefix("test_")).strip("-")
        size = page.viewport_size
        assert size is not None
        clip: FloatRect = {"x": 0, "y": 0, "width": size["width"], "height": TALLEST}
        page.screenshot(
            path=SCREENSHOTS / f"{name}.png", full_page=whole, clip=clip if whole else None
        )

    return keep


@pytest.fixture(scope="package")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a comparison of six frameworks, ten epochs, with runs in two dtypes."""
    return report(tmp_path_factory.mktemp("made-up") / "made-up")


@pytest.fixture(scope="package")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two frameworks and two epochs: it has the same parts, and is made faster."""
    folder = tmp_path_factory.mktemp("small") / "small"
    return report(folder, variants=("numpy", "torch"), num_epochs=2)


@pytest.fixture(scope="package")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of many versions, of which one diverged, one failed, and one cannot be read."""
    folder = tmp_path_factory.mktemp("troubled") / "troubled"
    options = {"failed": ("jax",), "diverged": ("mxnet",), "dataset": "stand-in"}
    write_comparison(folder, variants=SIX + CONCISE, num_epochs=4, speed=False, **options)
    (folder / "torch" / "trace.npy").write_bytes(b"damaged")
    return write_report(folder)
