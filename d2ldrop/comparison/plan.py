"""The variants that a comparison trains. A variant is one implementation of one backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from d2ldrop.backend import backend_names, install_hint, is_installed
from d2ldrop.comparison.settings import executions_of
from d2ldrop.core.recipe import Recipe
from d2ldrop.processes.interpreters import check_backends
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.training.implementations import IMPLEMENTATIONS, recipe_for
from d2ldrop.training.outline import check_concise

IMPLEMENTATION_CHOICES = {
    "scratch": ("scratch",),
    "concise": ("concise",),
    "both": ("scratch", "concise"),
}
"""For each value of ``implementation``: the implementations to train of every backend."""


@dataclass(frozen=True)
class Variant:
    """One entry of a comparison: a backend and one of its implementations."""

    backend: str
    implementation: str = IMPLEMENTATIONS[0]

    @classmethod
    def named(cls, name: str) -> Variant:
        """The variant with that name."""
        backend, _, implementation = name.partition("-")
        return cls(backend, implementation or IMPLEMENTATIONS[0])

    @property
    def name(self) -> str:
        """The name of the variant and its folder: "torch" or "torch-concise"."""
        if self.implementation == IMPLEMENTATIONS[0]:
            return self.backend
        return f"{self.backend}-{self.implementation}"


def plan_variants(
    kept: Mapping[str, Any] | None,
    backends: Sequence[str] | None,
    recipe: Recipe,
    implementation: str | None,
    options: WorkerOptions,
) -> list[Variant]:
    """The variants of a comparison: those started earlier, and those requested now.

    Args:
        kept: the summary of the comparison to continue; None for a new one.
        backends: names. If not given: the backends started earlier, or else all usable ones.
        recipe: the hyper-parameters.
        implementation: a key of IMPLEMENTATION_CHOICES; "scratch" if not given.
        options: the settings of the workers.

    Raises:
        ValueError: an unknown implementation, or one that does not support the recipe; a backend
            or an interpreter that ``check_backends`` rejects; an execution mode that none has.
        ModuleNotFoundError: a framework is not installed.
    """
    if implementation not in (None, *IMPLEMENTATION_CHOICES):
        raise ValueError(
            f"implementation must be one of {', '.join(IMPLEMENTATION_CHOICES)}, "
            f"got {implementation!r}"
        )
    begun = [Variant.named(name) for name in kept["backends"]] if kept else []
    named = [*(one.backend for one in begun), *(backends or ())]
    usable = check_backends(named, options.pythons)
    executions_of(usable, options.execution)
    if begun and not backends and not implementation:
        return begun
    implementations = IMPLEMENTATION_CHOICES[implementation or "scratch"]
    asked = [
        Variant(backend, one)
        for backend in dict.fromkeys(backends or usable)
        for one in implementations
    ]
    for variant in asked:
        recipe_for(variant.backend, recipe, variant.implementation)
        if variant.implementation == "concise" and variant.backend not in options.pythons:
            check_concise(variant.backend)
    return list(dict.fromkeys([*begun, *asked]))


def missing_backends(
    variants: Sequence[Variant], summary: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """The backends whose framework is not installed here, and how to install each.

    A comparison that is resumed leaves out none that it did not leave out before: ``summary`` is
    the content of its ``summary.json``.
    """
    names = backend_names()
    if summary is not None:
        names = [name for name in names if name in summary.get("left_out", {})]
    taken = {variant.backend for variant in variants}
    missing = [name for name in names if name not in taken and not is_installed(name)]
    return {name: install_hint(name) for name in missing}
