"""The functions that a backend must have, and how a module differs from them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from d2ldrop.contract import CONCISE, Backend, ConciseBackend, Tracer, TrainSteps


def signatures(*protocols: type) -> dict[str, inspect.Signature]:
    """The functions of some protocols, without ``self``; by default those of a backend's module."""
    members = [
        member for one in protocols or (Backend, ConciseBackend) for member in vars(one).items()
    ]
    found = {}
    for name, member in members:
        if inspect.isfunction(member) and not name.startswith("_"):
            signature = inspect.signature(member)
            parameters = [p for p in signature.parameters.values() if p.name != "self"]
            found[name] = signature.replace(parameters=parameters)
    return found


def missing_functions(module: Any, *, concise: bool) -> list[str]:
    """The functions that a module lacks, with their signatures.

    The concise functions are optional together. ``concise`` says that the facts declare them.
    """
    lacking = [name for name in signatures() if not callable(getattr(module, name, None))]
    optional = set(CONCISE) if not concise and set(CONCISE) <= set(lacking) else set()
    return [
        f"{name}{in_words(signature)}"
        for name, signature in signatures().items()
        if name in lacking and name not in optional
    ]


def compiled_signatures() -> dict[str, inspect.Signature]:
    """The functions of a module in the group ``d2ldrop.compiled``; each is optional."""
    (train_steps,) = (
        signature.replace(parameters=list(signature.parameters.values())[1:])
        for signature in [inspect.signature(TrainSteps.__call__)]
    )
    return {"train_steps": train_steps, **signatures(Tracer)}


def wrong_signatures(module: Any, protocol: dict[str, inspect.Signature]) -> list[str]:
    """The functions that cannot be called as the protocol says: what is expected, and what is."""
    faults = []
    for name, expected in protocol.items():
        function = getattr(module, name, None)
        found = _signature(function)
        if found is not None and not all(_takes(found, *call) for call in _calls(expected)):
            faults.append(f"{name}: expected {in_words(expected)}, got {in_words(found)}")
    return faults


def in_words(signature: inspect.Signature) -> str:
    """A signature without annotations."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def _signature(function: Callable[..., Any] | None) -> inspect.Signature | None:
    """The signature; None if there is none to see, as of functions in C."""
    try:
        return None if function is None else inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _calls(signature: inspect.Signature) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Calls that the signature allows: all by position, all by name, and only what is required."""
    parameters = list(signature.parameters.values())
    named = {p.name: p.name for p in parameters}
    by_position = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    only_named = {p: p for p in named if p not in by_position}
    yield by_position, only_named
    yield [], named
    yield [p.name for p in parameters if p.default is inspect.Parameter.empty], {}


def _takes(signature: inspect.Signature, positional: list[str], named: dict[str, str]) -> bool:
    """Whether a function with the signature takes the arguments, each under its own name."""
    try:
        bound = signature.bind(*positional, **named)
    except TypeError:
        return False
    # A parameter under another name would take an argument that is given by position.
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(
        bound.arguments[p.name] == p.name
        for p in signature.parameters.values()
        if p.name in bound.arguments and p.kind not in variadic
    )
