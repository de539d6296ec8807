"""axe-core finds no violation of WCAG or of its best practices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from d2ldrop.page.report import write_report
from tests.page.browser.helpers import NARROW, OpenPage, violations
from tests.page.made_up import CONCISE, SIX, write_comparison

SETTINGS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": NARROW, "color_scheme": "dark"},
    "chinese": {"query": "?lang=zh"},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_comparison(open_page: OpenPage, made_up: Path, setting: str) -> None:
    page = open_page(made_up, **SETTINGS[setting])
    page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
    assert not violations(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_comparison_with_problems(tmp_path: Path, open_page: OpenPage, scheme: str) -> None:
    folder = tmp_path / "bad"
    write_comparison(
        folder, variants=SIX + CONCISE, failed=("jax",), diverged=("mxnet",), dataset="stand-in"
    )
    (folder / "torch" / "trace.npy").write_bytes(b"damaged")
    file = write_report(folder)
    assert not violations(open_page(file, color_scheme=scheme))
