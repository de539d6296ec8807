"""The module of d2ldrop.d2l that a test uses."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import pytest

from d2ldrop.backend import Backend

mpl.use("Agg")


@pytest.fixture
def d2l(backend: Backend[Any], backend_name: str) -> Iterator[Any]:
    """The framework's module, seeded; figures are closed afterwards."""
    backend.manual_seed(0)
    module = importlib.import_module(f"d2ldrop.d2l.{backend_name}")
    yield module
    module.plt.close("all")
    if backend_name == "mxnet":
        sys.modules["mxnet"].npx.reset_np()  # a listing calls set_np, which changes the process
