"""The charts: values under the pointer and with the keyboard, legend, logarithmic scale."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from d2ldrop.page.results import read_comparison
from tests.page.browser.helpers import OpenPage, Screenshot
from tests.page.made_up import SIX

TITLES = ("NumPy", "PyTorch", "TensorFlow", "MXNet", "PaddlePaddle", "JAX")
METRICS = ("train_loss", "train_accuracy", "test_accuracy")


def plot(page: Page, metric: str) -> Locator:
    return page.locator(f"#chart-curves-{metric}")


def point_at(page: Page, metric: str, epoch: int) -> dict[str, float]:
    """Put the pointer on an epoch; the values shown there, by line."""
    place = plot(page, metric)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    left, right, across = place.evaluate(
        f"""(place) => {{
          const data = JSON.parse(place.parentElement.querySelector(".chart-data").textContent);
          return [data.box[0], data.box[1], data.at[data.labels.indexOf("{epoch}")]];
        }}"""
    )
    x = box["x"] + box["width"] * (left + (right - left) * across / 100) / 100
    page.mouse.move(x, box["y"] + box["height"] / 2)
    return shown(place, epoch)


def shown(place: Locator, epoch: int) -> dict[str, float]:
    tip = place.locator(".chart-tip")
    expect(tip).to_be_visible()
    expect(tip.locator("p")).to_have_text(f"epoch {epoch}")
    names = tip.locator("span").all_inner_texts()
    return dict(zip(names, map(float, tip.locator("b").all_inner_texts()), strict=True))


@pytest.mark.parametrize("metric", METRICS)
def test_hover_shows_the_numbers_of_the_run(
    open_page: OpenPage, made_up: Path, screenshot: Screenshot, metric: str
) -> None:
    page = open_page(made_up)
    runs = read_comparison(made_up.parent).runs
    for epoch in (1, 4, 10):
        values = point_at(page, metric, epoch)
        for name, title in zip(SIX, TITLES, strict=True):
            recorded = runs[name].result["epochs"][epoch - 1][metric]
            found = values.get(title, values.get(f"{title}, float64"))
            assert found == float(f"{recorded:.4g}")
    screenshot(page, whole=False)


def test_values_disappear_with_the_pointer(open_page: OpenPage, made_up: Path) -> None:
    page = open_page(made_up)
    point_at(page, "train_loss", 4)
    page.mouse.move(1, 1)
    expect(plot(page, "train_loss").locator(".chart-tip")).to_be_hidden()


def test_arrow_keys_walk_through_the_epochs(open_page: OpenPage, made_up: Path) -> None:
    page = open_page(made_up)
    place = plot(page, "test_accuracy")
    page.keyboard.press("Tab")  # focus by keyboard shows the values at once
    place.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    recorded = read_comparison(made_up.parent).runs["torch"].result["epochs"][2]["test_accuracy"]
    values = shown(place, 3)
    assert values.get("PyTorch", values.get("PyTorch, float64")) == float(f"{recorded:.4g}")
    assert f"{recorded:.4g}" in (place.get_attribute("aria-valuetext") or "")
    page.keyboard.press("Escape")
    expect(place.locator(".chart-tip")).to_be_hidden()


def test_legend_hides_a_framework_in_all_charts(
    open_page: OpenPage, made_up: Path, screenshot: Screenshot
) -> None:
    page = open_page(made_up)
    lines = page.locator(".chart-picture:not([hidden]) [data-line].line-hidden")
    button = page.locator("#chart-curves .chart-legend").get_by_text("PyTorch", exact=True)
    button.click()
    other = page.locator("#chart-agreement .chart-legend button", has_text="PyTorch")
    expect(other).to_have_attribute("aria-pressed", "false")
    assert lines.count() > 3
    expect(lines.first).to_be_hidden()
    screenshot(page)
    assert not any("PyTorch" in name for name in point_at(page, "train_loss", 4))
    button.click()
    expect(lines).to_have_count(0)
    assert any("PyTorch" in name for name in point_at(page, "train_loss", 4))


def test_log_switch_changes_the_picture(open_page: OpenPage, made_up: Path) -> None:
    page = open_page(made_up)
    panel = page.locator(".chart-panel", has=plot(page, "train_loss"))
    switch = panel.get_by_role("button", name="log")
    linear, log = (panel.locator(f"[data-scale={scale}]") for scale in ("linear", "log"))
    expect(linear).to_be_visible()
    switch.press("Enter")
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(log).to_be_visible()
    expect(linear).to_be_hidden()
    switch.press("Space")
    expect(linear).to_be_visible()


def test_a_diverged_run_is_not_a_number(open_page: OpenPage, troubled: Path) -> None:
    page = open_page(troubled)
    values = point_at(page, "train_loss", 4)
    found = next(value for name, value in values.items() if name.startswith("MXNet"))
    assert found != found  # NaN
