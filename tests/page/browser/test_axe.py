"""axe-core finds no violation of WCAG or of its best practices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from d2ldrop.cli.main import cli
from d2ldrop.page.report import write_report
from d2ldrop.training.folder import NamedFolder
from tests.page.browser.helpers import NARROW, OpenPage, Screenshot, violations
from tests.page.test_other_pages import BENCH, write_experiment

SETTINGS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": NARROW, "color_scheme": "dark"},
    "chinese": {"query": "?lang=zh&code=numpy&with=torch"},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_comparison(open_page: OpenPage, made_up: Path, small: Path, setting: str) -> None:
    page = open_page(made_up if setting == "light" else small, **SETTINGS[setting])
    page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
    assert not violations(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_comparison_with_problems(open_page: OpenPage, troubled: Path, scheme: str) -> None:
    page = open_page(troubled, color_scheme=scheme)
    for sign in (".problems", ".stand-in", ".verdict .bad"):
        expect(page.locator(sign).first).to_be_visible()
    assert not violations(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_experiment(
    tmp_path: Path, open_page: OpenPage, screenshot: Screenshot, scheme: str
) -> None:
    write_experiment(tmp_path)
    page = open_page(write_report(tmp_path), color_scheme=scheme)
    screenshot(page)
    assert not violations(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_benchmark(
    tmp_path: Path, open_page: OpenPage, screenshot: Screenshot, scheme: str
) -> None:
    NamedFolder(tmp_path, "benchmark").write(BENCH)
    page = open_page(write_report(tmp_path), color_scheme=scheme)
    screenshot(page)
    assert not violations(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_code(
    tmp_path: Path, open_page: OpenPage, screenshot: Screenshot, scheme: str
) -> None:
    file = tmp_path / "code.html"
    arguments = ["show", "train_step", "--diff", "numpy", "jax", "--html", str(file)]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    page = open_page(file, color_scheme=scheme)
    screenshot(page)
    assert not violations(page)
