"""What a shell completes: backends, functions, experiments. click completes commands and options.

``docs/command-line.md`` says how to install the completion.
"""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from d2ldrop.backend import backend_names, is_installed
from d2ldrop.core.suggestions import did_you_mean
from d2ldrop.experiments import ABOUT
from d2ldrop.frameworks import title


def complete_backend(
    _context: click.Context, _parameter: click.Parameter, begin: str
) -> list[CompletionItem]:
    """The backends that begin with ``begin``; some shells show the help beside each."""
    return [
        CompletionItem(name, help=title(name) + ("" if is_installed(name) else ", not installed"))
        for name in backend_names()
        if name.startswith(begin)
    ]


def complete_function(
    _context: click.Context, _parameter: click.Parameter, begin: str
) -> list[CompletionItem]:
    """The functions of the backends that begin with ``begin``."""
    from d2ldrop.page.listings import about, function_names, readable_backends

    backends, _ = readable_backends(backend_names())
    return [
        CompletionItem(name, help=about(name, backends))
        for name in function_names(backends)
        if name.startswith(begin)
    ]


def complete_python(
    _context: click.Context, _parameter: click.Parameter, begin: str
) -> list[CompletionItem]:
    """The backends that begin with ``begin``, each with the "=" before its interpreter."""
    return [CompletionItem(f"{name}=") for name in backend_names() if name.startswith(begin)]


def complete_experiment(
    _context: click.Context, _parameter: click.Parameter, begin: str
) -> list[CompletionItem]:
    """The experiments that begin with ``begin``."""
    return [
        CompletionItem(name, help=about) for name, about in ABOUT.items() if name.startswith(begin)
    ]


class Choice(click.Choice[str]):
    """One of several words; the error for a misspelt one suggests another."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return ``value`` if it is a choice."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            hint = did_you_mean(str(value), list(self.choices))
            raise click.BadParameter(error.message.rstrip(".") + hint, ctx, param) from None
