"""Show a download on stderr: a bar on a terminal, a line per request otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


class DownloadProgress:
    """The progress of downloads, one after another. If stderr fails, the rest is silent."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet or sys.stderr is None
        self._bar: tqdm[Any] | None = None

    def start(self, name: str, mirror: str, size: int) -> None:
        """A mirror is asked for a file of at most ``size`` bytes."""
        self._show(lambda: self._start(name, mirror, size))

    def update(self, received: int) -> None:
        """``received`` bytes have arrived so far."""
        self._show(lambda: self._bar and self._bar.update(received - self._bar.n))

    def __enter__(self) -> DownloadProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._show(self._close)

    def _start(self, name: str, mirror: str, size: int) -> None:
        from tqdm import tqdm

        self._close()
        text = f"Downloading {name} from {mirror}"
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=size, desc=text, unit="B", unit_scale=True, leave=False, dynamic_ncols=True
            )
        else:
            print(f"{text} ({tqdm.format_sizeof(size)}B)", file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def _show(self, show: Callable[[], object]) -> None:
        if self._quiet:
            return
        try:
            show()
        except (OSError, ValueError):  # a full disk, a closed pipe, a closed file
            self._quiet = True
            if self._bar is not None:
                self._bar.disable = True  # otherwise it writes again when it is deleted
