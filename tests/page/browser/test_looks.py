"""Dark mode, paper, and a narrow screen."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.page.browser.helpers import NARROW, OpenPage, Screenshot, report, too_wide
from tests.page.contrast import contrast, luminance

PAPER = int(96 * (21.0 - 2.0) / 2.54)  # pixels: A4 between margins of 1 cm
COLOURS = "(one) => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]"


def test_dark_mode(open_page: OpenPage, made_up: Path, screenshot: Screenshot) -> None:
    light = open_page(made_up).locator("body").evaluate(COLOURS)
    page = open_page(made_up, color_scheme="dark")
    dark = page.locator("body").evaluate(COLOURS)
    assert luminance(light[1]) > 0.8 > 0.05 > luminance(dark[1])
    assert contrast(*dark) > 7
    lines = page.locator(".chart-picture:not([hidden]) svg text").evaluate_all(
        "all => [...new Set(all.map((one) => getComputedStyle(one).fill))]"
    )
    assert lines
    assert all(contrast(fill, dark[1]) > 4.5 for fill in lines), lines
    screenshot(page)


def test_lines_of_the_charts_can_be_seen_in_both_schemes(
    open_page: OpenPage, made_up: Path
) -> None:
    for scheme in ("light", "dark"):
        page = open_page(made_up, color_scheme=scheme)
        background = page.locator("body").evaluate(COLOURS)[1]
        strokes = page.locator("#chart-curves [data-line] path").evaluate_all(
            "all => [...new Set(all.map((one) => getComputedStyle(one).stroke))]"
        )
        drawn = [stroke for stroke in strokes if stroke.startswith("rgb")]
        assert len(drawn) >= 6
        weak = {stroke: contrast(stroke, background) for stroke in drawn}
        assert min(weak.values()) >= 3, weak


def test_narrow_screen_does_not_scroll_sideways(
    tmp_path: Path, open_page: OpenPage, screenshot: Screenshot
) -> None:
    name = "with-a-very-long-name-that-has-no-place-to-break"
    file = report(tmp_path / name, version="9" * 40, variants=("numpy", "torch"))
    for language in ("en", "zh"):
        page = open_page(file, f"?lang={language}", viewport=NARROW)
        screenshot(page, language)
        assert not too_wide(page)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= NARROW["width"]
    table = page.locator("#table .scroll")
    assert table.evaluate("(one) => one.scrollWidth > one.clientWidth")
    table.evaluate("(one) => one.scrollTo(10_000, 0)")
    assert table.evaluate("(one) => one.scrollLeft") > 0


def test_wide_screen_does_not_scroll_sideways(
    open_page: OpenPage, troubled: Path, screenshot: Screenshot
) -> None:
    page = open_page(troubled)
    expect(page.locator(".stand-in")).to_be_visible()
    screenshot(page)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_paper_shows_everything(
    tmp_path: Path, open_page: OpenPage, made_up: Path, screenshot: Screenshot
) -> None:
    page = open_page(made_up, color_scheme="dark", viewport={"width": PAPER, "height": 1000})
    page.emulate_media(media="print")
    screenshot(page)
    background = page.locator("body").evaluate(COLOURS)
    assert contrast(background[0], "rgb(255, 255, 255)") > 7
    assert not too_wide(page)
    for section in page.locator("main section").all():
        expect(section.locator("h2")).to_be_visible()
    cut = page.locator("main *").evaluate_all(
        """all => all.filter((one) => one instanceof HTMLElement && one.clientWidth > 1
          && one.scrollWidth > one.clientWidth + 2)
          .map((one) => one.outerHTML.slice(0, 100))"""
    )
    assert not cut
    pdf = page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert pdf.startswith(b"%PDF")
