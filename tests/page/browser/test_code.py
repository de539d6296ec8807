"""The code in tabs: one choice for all functions, in the URL, kept by a reload, with differences."""

from __future__ import annotations

import inspect
from pathlib import Path

import d2ldrop_numpy
from playwright.sync_api import Page, expect

from tests.page.browser.helpers import NARROW, OpenPage, Screenshot, too_wide

FUNCTIONS = ("dropout_layer", "mlp", "train_step")


def tab(page: Page, function: str, framework: str) -> None:
    page.locator(f"#code-{function}").get_by_role("tab", name=framework, exact=True).click()


def visible_panels(page: Page, function: str) -> list[str | None]:
    panels = page.locator(f"#code-{function} .code-panel").all()
    return [panel.get_attribute("data-backend") for panel in panels if panel.is_visible()]


def expect_backends(page: Page, *backends: str) -> None:
    for function in FUNCTIONS:
        assert set(visible_panels(page, function)) == set(backends)


def test_tabs_switch_together(open_page: OpenPage, made_up: Path, screenshot: Screenshot) -> None:
    page = open_page(made_up)
    expect_backends(page, "numpy")
    tab(page, "mlp", "JAX")
    expect_backends(page, "jax")
    for function in FUNCTIONS:
        chosen = page.locator(f"#code-{function} [role=tab][aria-selected=true]")
        expect(chosen).to_have_text("JAX")
    screenshot(page)


def test_the_choice_is_in_the_url_and_survives_a_reload(open_page: OpenPage, made_up: Path) -> None:
    page = open_page(made_up)
    tab(page, "dropout_layer", "PyTorch")
    page.locator("#code-with").select_option("jax")
    assert "code=torch&with=jax" in page.url
    page.reload()
    expect_backends(page, "torch", "jax")
    elsewhere = open_page(page.url)  # another browser, which remembers nothing
    expect_backends(elsewhere, "torch", "jax")
    unknown = open_page(made_up, "?code=<b>&with=nobody")
    expect_backends(unknown, "numpy")


def test_two_side_by_side_have_their_differences_marked(
    open_page: OpenPage, made_up: Path, screenshot: Screenshot
) -> None:
    page = open_page(made_up, "?code=torch&with=paddle", viewport={"width": 1600, "height": 1000})
    left, right = (
        page.locator(f"#code-train_step-{name}").bounding_box() for name in ("torch", "paddle")
    )
    assert left is not None
    assert right is not None
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    marked = page.locator("#code-train_step-torch .differs")
    assert marked.count() > 0
    plain = page.locator("#code-train_step-torch .line:not(.differs)")
    colour = "(one) => getComputedStyle(one).backgroundColor"
    assert marked.first.evaluate(colour) != plain.first.evaluate(colour)
    equal = [set(one.all_inner_texts()) for one in _plain_lines(page)]
    assert {line.strip() for line in equal[0]} == {line.strip() for line in equal[1]}
    screenshot(page)
    page.locator("#code-with").select_option("")
    expect(page.locator(".differs")).to_have_count(0)


def _plain_lines(page: Page) -> list:  # type: ignore[type-arg]
    return [
        page.locator(f"#code-train_step-{name} .line:not(.differs)") for name in ("torch", "paddle")
    ]


def test_the_code_is_the_source(open_page: OpenPage, made_up: Path) -> None:
    page = open_page(made_up)
    text = page.locator("#code-dropout_layer-numpy pre").text_content()
    assert text is not None
    assert text.strip() == inspect.getsource(d2ldrop_numpy.dropout_layer).strip()


def test_arrows_move_between_tabs(open_page: OpenPage, made_up: Path) -> None:
    page = open_page(made_up)
    tabs = page.locator("#code-mlp [role=tab]")
    assert tabs.evaluate_all("all => all.filter((one) => one.tabIndex === 0).length") == 1
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#code-mlp [role=tab]:focus")).to_have_text("PyTorch")
    expect_backends(page, "torch")
    page.keyboard.press("End")
    expect_backends(page, "jax")
    page.keyboard.press("ArrowRight")
    expect_backends(page, "numpy")


def test_without_javascript_all_code_is_there(open_page: OpenPage, made_up: Path) -> None:
    page = open_page(made_up, java_script_enabled=False)
    for backend in ("numpy", "torch", "tensorflow", "mxnet", "paddle", "jax"):
        expect(page.locator(f"#code-dropout_layer-{backend} pre")).to_be_visible()


def test_on_a_narrow_screen_listings_scroll_inside(open_page: OpenPage, made_up: Path) -> None:
    page = open_page(made_up, "?code=torch&with=paddle", viewport=NARROW)
    assert not too_wide(page)
    listing = page.locator("#code-dropout_layer-torch pre")
    assert listing.evaluate("(one) => one.scrollWidth > one.clientWidth")
