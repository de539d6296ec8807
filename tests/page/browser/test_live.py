"""The live page: it changes without a reload, and keeps what the reader has chosen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from d2ldrop.page.live import Live
from d2ldrop.page.results import ComparisonResults, read_comparison
from tests.page.browser.helpers import OpenPage, Screenshot, violations

NAMES = ("numpy", "torch")


@pytest.fixture
def live() -> Iterator[Live]:
    server = Live()
    yield server
    server.close()


@pytest.fixture
def results(small: Path) -> ComparisonResults:
    return read_comparison(small.parent)


def begin(live: Live, results: ComparisonResults) -> None:
    """The comparison has begun, and no run has ended."""
    waiting = {name: {"status": "not run"} for name in NAMES}
    live.on_summary({**results.summary, "backends": waiting, "lockstep": [], "speed": None})


def epoch(live: Live, results: ComparisonResults, name: str, number: int) -> dict[str, Any]:
    """A worker reports the end of an epoch."""
    recorded: dict[str, Any] = results.runs[name].result["epochs"][number - 1]
    live.on_event(name, {"event": "step", "phase": "train", "done": number, "total": 2})
    live.on_event(name, {"event": "epoch", "phase": "train", **recorded})
    return recorded


def test_curves_grow_without_a_reload(
    live: Live, results: ComparisonResults, open_page: OpenPage, screenshot: Screenshot
) -> None:
    begin(live, results)
    page = open_page(live.url)
    page.evaluate("window.sameDocument = true")
    page.get_by_label("中文").check()
    epoch(live, results, "numpy", 1)
    place = page.locator("#chart-curves-train_loss")
    expect(place).to_be_visible()
    epoch(live, results, "numpy", 2)
    recorded = epoch(live, results, "torch", 1)["train_loss"]
    button = page.locator(".chart-legend button", has_text="PyTorch")
    expect(button).to_be_enabled()
    place.hover()
    place.press("Home")
    expect(place.locator(".chart-tip b").nth(1)).to_have_text(f"{recorded:.4g}")
    button.click()
    epoch(live, results, "torch", 2)
    expect(place).to_have_attribute("aria-valuemax", "1")
    expect(button).to_have_attribute("aria-pressed", "false")  # the choice survives
    expect(page.locator("#charts-title")).to_have_text("曲线", use_inner_text=True)
    assert page.evaluate("window.sameDocument")
    screenshot(page)


def test_the_end_is_told(live: Live, results: ComparisonResults, open_page: OpenPage) -> None:
    begin(live, results)
    page = open_page(live.url)
    state = page.locator("#live-state")
    expect(state).to_have_attribute("data-ended", "false")
    live.on_summary(results.summary)
    live.close()
    expect(state).to_have_attribute("data-ended", "true")
    expect(page.locator("#table").get_by_role("row", name="PyTorch")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    live: Live, results: ComparisonResults, open_page: OpenPage, scheme: str
) -> None:
    begin(live, results)
    epoch(live, results, "numpy", 1)
    epoch(live, results, "torch", 1)
    page = open_page(live.url, color_scheme=scheme)
    expect(page.locator("#chart-curves-train_loss")).to_be_visible()
    assert not violations(page)
