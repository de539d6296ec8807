"""The whole page: language, text of the run, keyboard, without JavaScript, time to load."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.page.browser.helpers import OpenPage, Screenshot, report

MARKUP = "<img src=x onerror=alert(1)></script><script>alert(2)</script>&amp;<b>bold</b>"


def test_language_switches_and_survives_a_reload(
    open_page: OpenPage, made_up: Path, screenshot: Screenshot
) -> None:
    page = open_page(made_up)
    heading = page.locator("#table-title")
    expect(heading).to_have_text("Results", use_inner_text=True)
    page.get_by_label("中文").check()
    expect(heading).to_have_text("结果", use_inner_text=True)
    assert page.locator("html").get_attribute("lang") == "zh"
    page.reload()
    expect(heading).to_have_text("结果", use_inner_text=True)
    screenshot(page)


def test_every_text_is_in_both_languages(open_page: OpenPage, small: Path) -> None:
    page = open_page(small)
    page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
    english = page.locator("h2, h3, button, summary, figcaption").all_inner_texts()
    page.get_by_label("中文").check()
    chinese = page.locator("h2, h3, button, summary, figcaption").all_inner_texts()
    assert len(english) == len(chinese)
    assert all(text.strip() for text in [*english, *chinese])
    headings = page.locator("main h2").all_inner_texts()
    assert all(any(letter >= "\u4e00" for letter in text) for text in headings)


def test_markup_of_the_run_stays_text(tmp_path: Path, open_page: OpenPage) -> None:
    folder = tmp_path / "<b onclick=alert(3)>name&amp;"
    page = open_page(report(folder, variants=("numpy", "torch"), version=MARKUP))
    assert page.get_by_role("heading", level=1).inner_text() == folder.name
    assert MARKUP in page.locator("#table td").all_inner_texts()
    assert page.locator("img[src=x], b[onclick], main script:not([type])").count() == 0


def test_skip_link_comes_first(open_page: OpenPage, small: Path) -> None:
    page = open_page(small)
    page.keyboard.press("Tab")
    link = page.locator(":focus")
    expect(link).to_have_text("Skip to the content", use_inner_text=True)
    expect(link).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_every_stop_of_the_keyboard_is_seen(open_page: OpenPage, small: Path) -> None:
    """Each element that the tab key reaches has a visible outline and lies in the window."""
    page = open_page(small, reduced_motion="reduce")
    seen = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
              const one = document.activeElement;
              if (one === document.body) return null;
              const ring = one.matches("input[name=language]") ? one.nextElementSibling : one;
              const box = one.getBoundingClientRect();
              return {
                text: one.outerHTML.slice(0, 150),
                outline: parseFloat(getComputedStyle(ring).outlineWidth),
                style: getComputedStyle(ring).outlineStyle,
                inside: box.bottom > 0 && box.top < innerHeight && box.width > 0,
              };
            }"""
        )
        if stop is None or stop["text"] in seen:
            break
        seen.add(stop["text"])
        assert stop["outline"] >= 2, stop
        assert stop["style"] != "none", stop
        assert stop["inside"], stop
    assert len(seen) > 15


def test_without_javascript_everything_is_there(
    open_page: OpenPage, made_up: Path, screenshot: Screenshot
) -> None:
    page = open_page(made_up, java_script_enabled=False)
    expect(page.get_by_role("row", name="PaddlePaddle").first).to_be_visible()
    for chart in page.locator(".chart-panel").all():
        expect(chart.locator("svg").first).to_be_visible()
    for image in page.locator("main img").all():
        expect(image).to_be_visible()
    page.get_by_label("中文").check()  # the style sheet alone switches the language
    expect(page.locator("#table-title")).to_have_text("结果", use_inner_text=True)
    screenshot(page)


@pytest.mark.slow
def test_six_frameworks_and_200_epochs_load_within_two_seconds(
    tmp_path: Path, open_page: OpenPage
) -> None:
    """To the first values under the pointer; the best of five, because the machine may be busy."""
    file = report(tmp_path / "long", num_epochs=200)
    assert file.stat().st_size < 3_000_000
    times: list[float] = []
    while len(times) < 5 and min(times, default=2) >= 2:
        page = open_page(file)
        page.locator(".chart-plot").first.hover()
        page.locator(".chart-tip").first.wait_for(state="visible")
        times.append(page.evaluate("performance.now()") / 1000)
    assert min(times) < 2, f"seconds: {times}"
