"""``--resume``: options that the user does not give have the values that the folder holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from d2ldrop.comparison.lockstep import FIRST_STEPS
from d2ldrop.comparison.plan import Variant
from d2ldrop.core.recipe import PRESETS, Recipe
from d2ldrop.data.dataset import DATASETS
from d2ldrop.processes.launcher import WorkerFailedError
from d2ldrop.training.differences import OtherRunError, refuse_difference
from d2ldrop.training.folder import NamedFolder, RunFolder
from d2ldrop.training.implementations import IMPLEMENTATIONS

RECIPE_OPTIONS = tuple(field.name for field in dataclasses.fields(Recipe))
PRESET_OPTIONS = tuple(
    name
    for name in RECIPE_OPTIONS
    if any(getattr(preset, name) != getattr(Recipe(), name) for preset in PRESETS.values())
)
"""The options that a preset sets."""
DATA_OPTIONS = ("dataset", "train_size", "test_size")
OTHER_OPTIONS = (
    *("backend", "implementation", "device", "record", "on_divergence", "threads", "execution"),
    *("lockstep_steps", "speed_epochs", "seeds"),
)


def resumable(kind: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator for a command that continues folders of this ``kind`` (see ``NamedFolder``).

    With ``--resume`` it sets the options that are not given. An explicit ``--preset`` gives the
    options that it sets. An option that is given and differs is refused, here or by the library.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**options: Any) -> None:
            name = options["name"]
            if options["resume"] and name and Path(name).name == name:
                folder = NamedFolder(Path(options["out"]) / name, kind)
                if folder.path.is_dir():
                    _take_from_folder(folder, options)
            command(**options)

        return run

    return decorate


def as_refusal(error: WorkerFailedError) -> Exception:
    """``error``, or the worker's own refusal: only the worker knows its framework's version."""
    kind, _, message = str(error).partition(": ")
    return OtherRunError(message) if kind == OtherRunError.__name__ else error


def _take_from_folder(folder: NamedFolder, options: dict[str, Any]) -> None:
    """Set the ``options`` that are not given.

    Raises:
        OtherRunError: an option of the data is given and differs.
        DamagedFileError: a file of the folder is damaged.
    """
    kept = _kept_options(folder, options)
    given = {name for name in options if _is_given(name)}
    asked = {name: options[name] for name in DATA_OPTIONS if name in given}
    if asked.get("dataset") == "auto":
        del asked["dataset"]
    refuse_difference(folder.path, folder.kind, kept, asked)
    if "preset" in given:
        given |= set(PRESET_OPTIONS)
    if kept.get("dataset") not in DATASETS:  # images that were given in Python
        given |= set(DATA_OPTIONS)
    for name in (*RECIPE_OPTIONS, *DATA_OPTIONS, *OTHER_OPTIONS):
        if name in options and name in kept and name not in given:
            options[name] = kept[name]


def _kept_options(folder: NamedFolder, options: dict[str, Any]) -> dict[str, Any]:
    """The values of options that the folder holds, by the name of the option's parameter."""
    values = _kept_settings(folder, options)
    values |= values.pop("recipe", {})
    if "seeds" in values:  # an experiment keeps all its seeds
        values["seeds"] = len(values["seeds"])
    for check in values.get("lockstep", []):
        if check["what"].startswith(FIRST_STEPS):
            values["lockstep_steps"] = check["steps"]
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


def _kept_settings(folder: NamedFolder, options: dict[str, Any]) -> dict[str, Any]:
    """The settings of the run to continue, or of the whole folder, or of any run in it."""
    if folder.kind == "experiment":
        return folder.read() or {}
    if folder.kind == "run":
        implementation = options["implementation"]
        for one in (implementation,) if implementation else IMPLEMENTATIONS:
            saved = folder.backend(Variant(options["backend"], one).name).read()
            if saved is not None:
                return saved.identity.to_dict()
    kept = NamedFolder(folder.path, "comparison").read()
    if kept is not None:
        return kept
    for path in sorted(folder.path.iterdir()):
        saved = RunFolder(path).read()
        if saved is not None:
            return saved.identity.to_dict()
    return {}


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source not in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
