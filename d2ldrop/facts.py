"""``Framework``: the facts about a framework that are needed before it is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast


@dataclass(frozen=True)
class Framework:
    """Facts about one framework, and what its backend declares; each has a default.

    A declared capability that fails is a failure of the conformance suite. A capability that is not
    declared is skipped, with its name.

    Raises:
        TypeError: an attribute has another type, such as a str in place of a tuple of str.

    Attributes:
        title: the official spelling of its name; its import name if empty.
        package: the name that pip installs; its import name if empty.
        needs: the import names of other packages that its backend imports.
        aliases: other names for which an error suggests the import name.
        machines: the systems and processors for which its package has a wheel, as ``platform``
            names them; empty if unknown.
        debian_packages: Debian's packages of the system libraries that its wheel needs and lacks.
        install_beside_numpy_2: the command that installs it and keeps NumPy 2; empty if the usual
            command keeps NumPy 2 too.
        environment: the environment variables that its workers start with.
        thread_variables: its own environment variables that set the size of its thread pool.
        cores_left_free: the number of cores that its workers leave free. It is set only if the
            framework uses one core unless OMP_NUM_THREADS is set.
        fast_execution: the environment variables that ``execution="fast"`` adds.
        fast_needs: the words that Linux's /proc/cpuinfo must contain for it, and what each means.
        dtypes: the floating-point dtypes of arrays that ``dropout_layer`` takes.
        autodiff: whether it differentiates ``dropout_layer``. The conformance suite lists it, and
            judges the gradients of every backend through ``train_step``.
        concise: whether its backend has the concise version, with the framework's own layers.
        concise_noises: noises other than dropout for which it has its own layer.
        concise_limits: the largest dropout that the layer of a noise supports, and the reason.
        expected_failures: checks of the conformance suite that must fail, and why: names such as
            ``L1.given_mask[*float16*]``, where ``*`` stands for any characters.
        conversions: its types that are not arrays, and what to do with them instead.
    """

    title: str = ""
    package: str = ""
    needs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    debian_packages: tuple[str, ...] = ()
    install_beside_numpy_2: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    thread_variables: tuple[str, ...] = ()
    cores_left_free: int | None = None
    fast_execution: Mapping[str, str] = field(default_factory=dict)
    fast_needs: Mapping[str, str] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float32", "float64")
    autodiff: bool = False
    concise: bool = False
    concise_noises: tuple[str, ...] = ()
    concise_limits: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    conversions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            expected, holds = _KINDS[str(one.type)]
            if not holds(value):
                raise TypeError(f"{one.name} must be {expected}, got {value!r}")


def _all(kind: type, values: object) -> bool:
    return all(isinstance(value, kind) for value in cast("Iterable[object]", values))


def _is_limit(value: object) -> bool:
    if not (isinstance(value, tuple) and len(value) == 2):
        return False
    return isinstance(value[0], (int, float)) and isinstance(value[1], str)


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a str", lambda value: isinstance(value, str)),
    "bool": ("a bool", lambda value: isinstance(value, bool)),
    "int | None": ("an int or None", lambda value: value is None or type(value) is int),
    "tuple[str, ...]": (
        "a tuple of str",
        lambda value: isinstance(value, tuple) and _all(str, value),
    ),
    "Mapping[str, str]": (
        "a mapping from str to str",
        lambda value: isinstance(value, Mapping) and _all(str, (*value.keys(), *value.values())),
    ),
    "Mapping[str, tuple[float, str]]": (
        "a mapping from the name of a noise to a tuple (float, str)",
        lambda value: (
            isinstance(value, Mapping) and _all(str, value) and all(map(_is_limit, value.values()))
        ),
    ),
}
"""For each annotation of ``Framework``: what to call the type, and whether a value has it."""
