"""The command line: ``d2ldrop`` and ``python -m d2ldrop``.

Results go to stdout, progress and errors to stderr. Exit status: 0 everything succeeded; 1 a run
failed or is not in lockstep, or the results could not be printed; 2 a bad argument, nothing was
started; 130 Ctrl-C; 141 the reader of stdout has gone.

No framework is imported here: each worker process imports one.
"""

from __future__ import annotations

import re
import signal
import sys
import warnings
from typing import Any, NoReturn, TextIO

import click

from d2ldrop.cli.backends import backends
from d2ldrop.cli.bench import bench
from d2ldrop.cli.compare import compare
from d2ldrop.cli.conformance import conformance
from d2ldrop.cli.data import data
from d2ldrop.cli.evaluate import evaluate
from d2ldrop.cli.experiment import experiment
from d2ldrop.cli.output import OUTPUT
from d2ldrop.cli.report import report
from d2ldrop.cli.show import show
from d2ldrop.cli.train import train
from d2ldrop.comparison.layout import printable
from d2ldrop.core.suggestions import did_you_mean
from d2ldrop.data import DataError, StandInWarning
from d2ldrop.processes.launcher import WorkerFailedError
from d2ldrop.version import __version__

USER_ERRORS = (ValueError, TypeError, ImportError, OSError, DataError)
ARGUMENT = re.compile(
    r"""
    ^ [a-z_]+ (?=\ )                             # the first word of a message
    | (?<![\w./-]) [a-z]+ (?=\ must\ |\ ')       # a word before "must" or a quoted value
    | (?<![\w./-]) [a-z]+ (_[a-z]+)+ (?![\w./-]) # a word with an underscore, not in a path
    """,
    re.VERBOSE,
)
"""Where a message of the library may name an argument."""


class Refused(click.ClickException):
    """A bad argument: nothing was started."""

    exit_code = 2


class Commands(click.Group):
    """The commands. Errors of the library become messages that name options."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; the error for a misspelt name suggests another one."""
        name = args[0]
        known = self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {name!r}{did_you_mean(name, known)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except WorkerFailedError as error:
            raise click.ClickException(printable(str(error))) from error
        except USER_ERRORS as error:
            assert ctx.invoked_subcommand is not None  # these errors come from a command
            command = self.commands[ctx.invoked_subcommand]
            raise Refused(printable(name_options(str(error), command))) from error


def main() -> NoReturn:
    """Run the command line."""
    _handle_signals()
    OUTPUT.protect()
    warnings.showwarning = _show_warning
    sys.exit(OUTPUT.settle(_run()))


def _run() -> int:
    """Run the command, and return its exit status."""
    try:
        cli.main(standalone_mode=False, prog_name="d2ldrop")
        sys.stdout.flush()  # Ctrl-C may come while this waits for a reader
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return 130
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 0
    return 0


def name_options(message: str, command: click.Command) -> str:
    """A message of the library, with options in place of the arguments that it names."""
    options = {p.name: p.opts[0] for p in command.params if isinstance(p, click.Option) and p.name}
    for name, option in options.items():
        for pair in (f"{name}=True ({option})", f"{name} ({option})"):
            message = message.replace(pair, option)
    return ARGUMENT.sub(lambda match: options.get(match[0], match[0]), message)


def _handle_signals() -> None:
    """Treat SIGTERM and SIGHUP like Ctrl-C, unless this process inherited "ignore" (nohup)."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


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


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="d2ldrop")
def cli() -> None:
    """Dropout, side by side: one training run on six frameworks."""


COMMANDS = [backends, bench, compare, conformance, data, evaluate, experiment, report, show, train]
for command in COMMANDS:
    cli.add_command(command)
