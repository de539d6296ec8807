"""``report.html``: the page of a run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from d2ldrop.core.files import write_bytes
from d2ldrop.page.comparison_page import comparison_page
from d2ldrop.page.other_pages import benchmark_page, experiment_page
from d2ldrop.page.reading import is_single, kind_of, read_runs
from d2ldrop.page.results import ComparisonResults
from d2ldrop.page.sections import REPORT, Page


@dataclass(frozen=True)
class Report:
    """A page of a run folder.

    Attributes:
        folder: the run folder.
        html: the page.
        problems: a sentence for each file that could not be read.
        results: the runs that the page shows; None for an experiment or a benchmark.
    """

    folder: Path
    html: str
    problems: tuple[str, ...]
    results: ComparisonResults | None = None

    def write(self) -> Path:
        """Write the page into the folder; return its path.

        Raises:
            OSError: it cannot be written; an older page is still there.
        """
        path = self.folder / REPORT
        try:
            write_bytes(path, self.html.encode())
        except OSError as error:
            raise OSError(f"{path} cannot be written: {error.strerror or error}") from error
        return path


def write_report(path: Path | str) -> Path:
    """Write the page of a run folder, as ``make_report`` makes it; return its path."""
    return make_report(path).write()


def make_report(path: Path | str) -> Report:
    """The page of a run folder, with what can be read of it.

    Args:
        path: the folder of a comparison, an experiment, a benchmark, or a run of ``d2ldrop train``.

    Raises:
        FileNotFoundError: there is no such folder.
        NothingToShowError, DamagedFileError: nothing in it can be read; the message names the file.
    """
    folder = Path(path)
    pages = {"experiment": experiment_page, "benchmark": benchmark_page}
    kind = kind_of(folder)
    if kind in pages:
        return _report(folder, pages[kind](folder))
    results = read_runs(folder)
    page = comparison_page(results, "run" if is_single(results) else "comparison")
    return _report(folder, page, results)


def _report(folder: Path, page: Page, results: ComparisonResults | None = None) -> Report:
    return Report(folder, page.html(), page.problems, results)
