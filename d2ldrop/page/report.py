"""``report.html``: the page of a run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from d2ldrop.core.files import write_bytes
from d2ldrop.page.comparison_page import comparison_page
from d2ldrop.page.results import read_comparison
from d2ldrop.page.sections import REPORT


@dataclass(frozen=True)
class Report:
    """A page of a run folder.

    Attributes:
        folder: the run folder.
        html: the page.
        problems: a sentence for each file that could not be read.
    """

    folder: Path
    html: str
    problems: tuple[str, ...]

    def write(self) -> Path:
        """Write the page into the folder; return its path."""
        path = self.folder / REPORT
        write_bytes(path, self.html.encode())
        return path


def write_report(path: Path | str) -> Path:
    """Write the page of a run folder, as ``make_report`` makes it; return its path."""
    return make_report(path).write()


def make_report(path: Path | str) -> Report:
    """The page of a run folder, with what can be read of it."""
    folder = Path(path)
    page = comparison_page(read_comparison(folder))
    return Report(folder, page.html(), page.problems)
