"""The documentation has valid links and current tables, and the READMEs list every page."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
PAGES = ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md", *DOCS]


def links(page: str) -> list[str]:
    """Return the relative targets of a page's links and pictures, outside code blocks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^()\s]+)\)", text)
    targets += re.findall(r'(?:src|srcset|href)="([^"\s]+)"', text)
    return [target for target in targets if not target.startswith(("http://", "https://"))]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_to_files(page: str) -> None:
    missing = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert missing == []


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readme_shows_the_curves(readme: str) -> None:
    assert {"docs/images/curves-light.png", "docs/images/curves-dark.png"} <= set(links(readme))


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md", "docs/README.md"])
def test_every_page_is_linked(readme: str) -> None:
    folder = (ROOT / readme).parent
    linked = {(folder / link.partition("#")[0]).resolve() for link in links(readme)}
    pages = {ROOT / page for page in DOCS} - {ROOT / "docs" / "README.md"}  # the list of pages
    assert pages - linked == set()


def test_the_tables_are_current() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    if f"\nclick=={version('click')}\n" not in lock:
        pytest.skip("the tables of options depend on the version of click in requirements.lock")
    out = subprocess.run(
        [sys.executable, "docs/tables.py", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert out.returncode == 0, f"run make docs-tables\n{out.stdout}{out.stderr}"
