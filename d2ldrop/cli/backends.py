"""``d2ldrop backends``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.text import Text
from tqdm import tqdm

from d2ldrop.backend import backend_names, install_hint, is_installed
from d2ldrop.cli.options import pythons_option
from d2ldrop.cli.output import show
from d2ldrop.comparison.layout import Column, FittedTable, printable
from d2ldrop.frameworks import title
from d2ldrop.processes.interpreters import check_usable
from d2ldrop.processes.jobs import ProbeJob
from d2ldrop.processes.launcher import WorkerFailedError, run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.scratch import scratch_folder

COLUMNS = (
    Column("backend"),
    Column("framework", hide=1),
    Column("version"),
    Column("state", wraps=True),
    Column("devices", wraps=True),
)


@click.command()
@pythons_option
def backends(pythons: dict[str, str]) -> None:
    """Show which frameworks are ready, and how to install those that are not."""
    names = list(dict.fromkeys([*backend_names(), *pythons]))
    for name in pythons:
        check_usable(name, pythons)
    table = FittedTable("Frameworks on this machine", COLUMNS)
    with scratch_folder() as folder:
        # Each framework takes one or two seconds. The bar is shown only on a terminal.
        for name in tqdm(names, "starting each", leave=False, disable=None):
            log = folder / f"{name}.log"
            table.add_row(name, title(name), *_probe(name, pythons, log))
    show(table, [])


def _probe(name: str, pythons: dict[str, str], log: Path) -> tuple[str, str | Text, str]:
    """Version, state and devices of a framework; it is imported in its own process."""
    if not (name in pythons or is_installed(name)):
        return "", f"not installed: {install_hint(name)}", ""
    found: dict[str, Any] = {}
    try:
        run_job(ProbeJob(name), WorkerOptions(timeout=120, pythons=pythons), found.update, log=log)
    except WorkerFailedError as error:
        broken = Text.assemble(("broken", "bold red"), f": {printable(str(error))}")
        return "", broken, ""
    where = " (--python)" if name in pythons else ""
    ready = Text.assemble(("ready", "green"), where)
    return found["version"], ready, ", ".join(found["devices"])
