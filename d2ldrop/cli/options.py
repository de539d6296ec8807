"""The options that several commands share, and the objects that are made from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from d2ldrop.cli.completion import Choice, complete_python
from d2ldrop.core.recipe import PRESETS, Recipe
from d2ldrop.data import DataSource
from d2ldrop.data.dataset import DATASETS
from d2ldrop.processes.environment import EXECUTIONS
from d2ldrop.processes.interpreters import parse_pythons
from d2ldrop.training.divergence import ON_DIVERGENCE
from d2ldrop.training.layer_statistics import RECORDS

TIMEOUT = "Seconds without a report after which a worker counts as hung."
Command = TypeVar("Command", bound=Callable[..., Any])


def recipe_options(command: Command) -> Command:
    """One option per field of Recipe. The preset sets the values that the user does not give."""
    for field in reversed(dataclasses.fields(Recipe)):
        default, kind = field.default, field.metadata["kind"]
        pair = isinstance(default, tuple)
        if isinstance(default, tuple):
            kind, default = type(default[0]), " ".join(map(str, default))
        shown = "" if default is None else f"  [default: {default}]"
        command = click.option(
            f"--{field.name.replace('_', '-')}",
            type=Choice(field.metadata["choices"]) if field.metadata["choices"] else kind,
            nargs=2 if pair else 1,
            help=f"{field.metadata['about']}{shown}",
        )(command)
    return click.option(
        "--preset",
        type=Choice(list(PRESETS)),
        default="d2l-zh",
        show_default=True,
        help="The numbers of the book's Chinese or English edition; other options override them.",
    )(command)


def data_options(command: Command) -> Command:
    """The options that choose images."""
    for option in (
        click.option("--test-size", type=int, help="Use only the first N test images."),
        click.option("--train-size", type=int, help="Use only the first N training images."),
        click.option(
            "--data-dir",
            type=click.Path(),
            help="Folder with Fashion-MNIST's four files, also in the sub-folders of torchvision, "
            "Keras and others.",
        ),
        click.option(
            "--dataset",
            type=Choice(DATASETS),
            default="auto",
            show_default=True,
            help="auto: Fashion-MNIST if it is there or can be downloaded, else the stand-in.",
        ),
    ):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    """The options of a run."""
    for option in (
        click.option("--resume", is_flag=True, help="Continue the run that --name names."),
        click.option(
            "--on-divergence",
            type=click.Choice(ON_DIVERGENCE),
            default="continue",
            show_default=True,
            help="Continue a run whose loss is no longer finite to its end, or stop it.",
        ),
        click.option(
            "--device",
            default="cpu",
            show_default=True,
            help="cpu, gpu or gpu:N, for all frameworks.",
        ),
        click.option(
            "--record",
            type=Choice(RECORDS),
            multiple=True,
            help="Also record statistics of the hidden activations after each epoch.",
        ),
    ):
        command = option(command)
    return command


def worker_options(command: Command) -> Command:
    """The options of the worker processes."""
    for option in (
        pythons_option,
        click.option(
            "--execution",
            type=Choice(EXECUTIONS),
            default="default",
            show_default=True,
            help="fast: also set undocumented environment variables (PaddlePaddle only).",
        ),
        click.option(
            "--threads",
            type=int,
            help="Threads of each framework's pools.  [default: chosen for each framework]",
        ),
        click.option(
            "--timeout",
            type=float,
            default=300,
            show_default=True,
            help=TIMEOUT,
        ),
    ):
        command = option(command)
    return command


def place_options(command: Command) -> Command:
    """The options for the folder of results and for progress."""
    for option in (
        click.option("--quiet", is_flag=True, help="Show no progress."),
        click.option("--name", help="Folder of the run under --out.  [default: the current time]"),
        click.option(
            "--out",
            type=click.Path(),
            default="runs",
            show_default=True,
            help="Folder of all runs.",
        ),
    ):
        command = option(command)
    return command


def pythons_option(command: Command) -> Command:
    """``--python``, once per backend in another environment."""
    return click.option(
        "--python",
        "pythons",
        multiple=True,
        metavar="BACKEND=PATH",
        shell_complete=complete_python,
        callback=lambda _context, _option, items: parse_pythons(items),
        help="Run a backend with the Python interpreter of another environment. That environment "
        "must have d2ldrop and the framework.",
    )(command)


def implementation_option(choices: Sequence[str]) -> Callable[[Command], Command]:
    """``--impl``, one of ``choices``."""
    return click.option(
        "--impl",
        "implementation",
        type=Choice(choices),
        help="The book's functions, or the framework's own layers, dropout and optimiser."
        "  [default: scratch]",
    )


def take_recipe(options: dict[str, Any]) -> Recipe:
    """Take the recipe's options out of ``options``."""
    given = {field.name: options.pop(field.name) for field in dataclasses.fields(Recipe)}
    changes = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(PRESETS[options.pop("preset")], **changes)


def take_data_source(options: dict[str, Any]) -> DataSource:
    """Take the data options out of ``options``. No images are searched yet."""
    given = {p: options.pop(p) for p in ("dataset", "data_dir", "train_size", "test_size")}
    return DataSource(**given, quiet=click.get_current_context().params.get("quiet", False))
