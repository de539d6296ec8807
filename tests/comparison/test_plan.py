"""Which variants a comparison trains."""

from __future__ import annotations

import pytest

from d2ldrop import Recipe, available_backends
from d2ldrop.comparison.plan import Variant, missing_backends, plan_variants
from d2ldrop.processes.options import WorkerOptions

BOOK, OPTIONS = Recipe(), WorkerOptions()


def test_a_variant_is_named_after_its_backend() -> None:
    assert Variant("torch").name == "torch"
    assert Variant("torch", "concise").name == "torch-concise"
    for name in ("torch", "torch-concise"):
        assert Variant.named(name).name == name


def test_a_new_comparison_has_the_requested_variants() -> None:
    usable = [Variant(name) for name in available_backends()]
    assert plan_variants(None, None, BOOK, None, OPTIONS) == usable
    both = [Variant("numpy"), Variant("numpy", "concise")]
    assert plan_variants(None, ["numpy", "numpy"], BOOK, "both", OPTIONS) == both


def test_a_resumed_comparison_keeps_its_variants_and_adds_the_requested_ones() -> None:
    kept: dict[str, dict[str, object]] = {"backends": {"numpy-concise": {}}}
    concise = Variant("numpy", "concise")
    assert plan_variants(kept, None, BOOK, None, OPTIONS) == [concise]
    assert plan_variants(kept, ["numpy"], BOOK, None, OPTIONS) == [concise, Variant("numpy")]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="implementation must be one of scratch, concise, both"):
        plan_variants(None, ["numpy"], BOOK, "short", OPTIONS)
    with pytest.raises(ValueError, match="cannot do noise 'unit'"):
        plan_variants(None, ["numpy"], Recipe(noise="unit"), "concise", OPTIONS)
    with pytest.raises(ValueError, match="NumPy has no execution mode 'fast'"):
        plan_variants(None, ["numpy"], BOOK, None, WorkerOptions(execution="fast"))


def test_installed_backends_are_not_missing() -> None:
    assert not missing_backends([]).keys() & set(available_backends())


def test_a_resumed_comparison_leaves_out_no_more_than_before() -> None:
    assert missing_backends([], {"left_out": {}}) == {}
    before = {"left_out": {"numpy": "installed since", "no-such": "no longer known"}}
    assert missing_backends([], before) == {}
    assert missing_backends([], {"left_out": missing_backends([])}) == missing_backends([])
