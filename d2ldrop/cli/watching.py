"""``--live`` and ``--tensorboard``: options that show a comparison while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from d2ldrop.page.observers import Observer

OnEvent = Callable[[str, dict[str, Any]], None]

tensorboard_option = click.option(
    "--tensorboard",
    is_flag=True,
    help="Also write event files for TensorBoard, into the folder tensorboard of the run.",
)
live_option = click.option(
    "--live",
    is_flag=True,
    help="Serve a page on 127.0.0.1 that shows progress, curves and table while it runs.",
)


def observers_of(*, tensorboard: bool, live: bool = False) -> list[Observer]:
    """The observers that the options ask for. The address of the live page goes to stderr.

    Raises:
        ImportError: TensorBoard is missing.
        OSError: there is no port for the live page.
    """
    observers: list[Observer] = []
    if tensorboard:
        from d2ldrop.page.event_files import EventFiles

        observers.append(EventFiles())
    if live:
        from d2ldrop.page.live import Live  # loads jinja2 and matplotlib's code: slow

        observers.append(Live(lambda url: click.echo(f"Live page: {url}", err=True)))
    return observers


def both(first: OnEvent, second: OnEvent) -> OnEvent:
    """Call both with each report."""

    def on_event(name: str, event: dict[str, Any]) -> None:
        first(name, event)
        second(name, event)

    return on_event
