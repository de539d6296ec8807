"""Names that a module of d2ldrop.d2l has, and those that it does not have."""

from __future__ import annotations

import doctest
import inspect
import pickle
import sys
import types
from typing import Any

import pytest

import d2ldrop.d2l
from d2ldrop.d2l._names import unknown_name
from tests.d2l.test_d2l import FRAMEWORKS


def test_an_unknown_name_gets_the_list_of_names_and_the_edition() -> None:
    module: Any = types.ModuleType("d2ldrop.d2l.torch")
    module.__getattr__ = unknown_name("d2ldrop.d2l.torch", ["sgd", "plot"])
    for name, start in (
        ("train_ch6", "d2ldrop.d2l.torch has no 'train_ch6'. It has"),
        ("sdg", "d2ldrop.d2l.torch has no 'sdg'; did you mean 'sgd'? It has"),
    ):
        with pytest.raises(AttributeError) as caught:
            getattr(module, name)
        assert str(caught.value) == (
            f"{start} the names that sections 3.1 to 4.9 of Dive into Deep Learning use "
            "(Chinese edition 2.0, English edition 0.17): plot, sgd. "
            "All other names are in the book's own package, d2l 0.17.6"
        )
        assert not hasattr(module, name)
    for name in ("__path__", "__wrapped__", "_repr_html_"):  # asked for by Python and by notebooks
        with pytest.raises(AttributeError, match=f"^module '{module.__name__}' has no .* '{name}'"):
            getattr(module, name)


def test_the_package_says_that_a_framework_must_be_chosen() -> None:
    with pytest.raises(AttributeError, match="import torch as d2l"):
        _ = d2ldrop.d2l.train_ch3  # type: ignore[attr-defined]  # this is tested
    assert not hasattr(d2ldrop.d2l, "__wrapped__")


@pytest.mark.only(*FRAMEWORKS)
def test_a_module_with_such_an_error_is_an_ordinary_module(d2l: Any, backend_name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"from d2ldrop.d2l.{backend_name} import *", namespace)  # fails if a name is missing
    assert set(d2l.__all__) <= set(namespace)
    assert set(d2l.__all__) <= set(dir(d2l))
    assert inspect.unwrap(d2l) is d2l
    assert dict(inspect.getmembers(d2l))["sgd"] is d2l.sgd
    assert pickle.loads(pickle.dumps(d2l.train_ch3)) is d2l.train_ch3
    assert d2l.__name__ in {
        test.name for test in doctest.DocTestFinder(exclude_empty=False).find(d2l)
    }
    assert getattr(sys.modules["d2ldrop.d2l"], backend_name) is d2l
    with pytest.raises(AttributeError, match=f"^d2ldrop.d2l.{backend_name} has no 'train_ch6'"):
        _ = d2l.train_ch6
