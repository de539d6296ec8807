"""The command line: ``d2ldrop`` and ``python -m d2ldrop``.

Results go to stdout, progress and errors to stderr. Exit status: 0 everything succeeded; 1 a run
failed or is not in lockstep; 2 a bad argument, nothing was started; 130 Ctrl-C.

No framework is imported here: each worker process imports one.
"""

from __future__ import annotations

import io
import signal
import sys
import warnings
from typing import NoReturn, TextIO

import click

from d2ldrop.cli.backends import backends
from d2ldrop.cli.bench import bench
from d2ldrop.cli.compare import compare
from d2ldrop.cli.data import data
from d2ldrop.cli.evaluate import evaluate
from d2ldrop.cli.experiment import experiment
from d2ldrop.cli.train import train
from d2ldrop.data import DataError, StandInWarning
from d2ldrop.processes.launcher import WorkerFailedError
from d2ldrop.version import __version__

USER_ERRORS = (ValueError, TypeError, ImportError, OSError, DataError)


def main() -> NoReturn:
    """Run the command line."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None if the stream is closed
            stream.reconfigure(
                errors="replace"
            )  # print a table even if its lines cannot be encoded
    warnings.showwarning = _show_warning
    try:
        cli.main(standalone_mode=False, prog_name="d2ldrop")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except WorkerFailedError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except USER_ERRORS as error:
        click.echo(f"Error: {_with_option_name(str(error))}", err=True)
        sys.exit(2)
    sys.exit(0)


def _with_option_name(message: str) -> str:
    """``message``; an argument's name at its start is replaced by the option's name."""
    options = {
        parameter.name: parameter.opts[0]
        for command in cli.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    argument = message.partition(" ")[0]
    option = options.get(argument)
    if option is None or option in message:
        return message
    return option + message.removeprefix(argument)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line, without its place in the code, which does not help a user."""
    loud = category is StandInWarning
    click.secho(f"WARNING: {message}", err=True, fg="yellow", bold=loud)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="d2ldrop")
def cli() -> None:
    """Dropout, side by side: one training run on NumPy, PyTorch, TensorFlow, MXNet and Paddle."""


for command in (backends, bench, compare, data, evaluate, experiment, train):
    cli.add_command(command)
