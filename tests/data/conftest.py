"""Fixtures: a folder with the real data, and a machine without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from d2ldrop.data import download, fashion_mnist
from d2ldrop.data.fashion_mnist import FILES
from d2ldrop.data.places import DEBIAN

NOBODY = "http://127.0.0.1:9/"  # the discard port: the connection is refused at once
has_debian = pytest.mark.skipif(
    not DEBIAN.exists(), reason="Debian's package dataset-fashion-mnist is not installed"
)


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A folder with copies of the real files, which the test may change."""
    folder = tmp_path / "real"
    folder.mkdir()
    for file in FILES:
        name = f"{file.name}.gz"
        (folder / name).write_bytes((DEBIAN / name).read_bytes())
    return folder


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the data and without a network."""
    monkeypatch.setattr(fashion_mnist, "other_folders", list)
    monkeypatch.setattr(download, "MIRRORS", (NOBODY,))
