"""Observers of a run: what ``--tensorboard`` and ``--live`` show while it trains.

An observer that fails is left out from then on, with a warning: it must not cost the training.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from d2ldrop.comparison.request import SPEED_DTYPE
from d2ldrop.training.folder import RunFolder

Epoch = dict[str, Any]
"""An entry of "epochs" in ``result.json``."""


class Observer(Protocol):
    """Hears what a comparison reports."""

    def on_event(self, name: str, event: dict[str, Any]) -> None:
        """Take a report of the worker of the variant ``name``."""

    def on_summary(self, summary: dict[str, Any]) -> None:
        """Take the summary so far: before the first run, and after each variant."""

    def close(self) -> None:
        """The comparison has ended."""


class Observers:
    """Passes reports on to several observers."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = list(observers)

    def on_event(self, name: str, event: dict[str, Any]) -> None:
        """Pass on a worker's report."""
        self._each(lambda one: one.on_event(name, event))

    def on_summary(self, summary: dict[str, Any]) -> None:
        """Pass on the summary so far."""
        self._each(lambda one: one.on_summary(summary))

    def close(self) -> None:
        """Tell all observers that the comparison has ended."""
        self._each(lambda one: one.close())

    def _each(self, tell: Callable[[Observer], None]) -> None:
        for one in list(self._observers):
            try:
                tell(one)
            except Exception as error:  # noqa: BLE001 - whatever is wrong, the training goes on
                self._observers.remove(one)
                name = type(one).__name__
                warnings.warn(f"{name} has failed and stops: {error}", stacklevel=3)


def run_folder(folder: Path, phase: str, name: str) -> RunFolder:
    """The folder of a variant's run.

    Args:
        folder: of the comparison.
        phase: "train", or "speed" for the run in float32 beside one in float64.
        name: the variant.
    """
    return RunFolder(folder / SPEED_DTYPE / name if phase == "speed" else folder / name)


def saved_epochs(run: RunFolder) -> list[Epoch]:
    """The epochs of a finished or interrupted run; none if the folder holds no run."""
    saved = run.read()
    return [] if saved is None else [asdict(epoch) for epoch in saved.history]


def finished_runs(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The phase and the name of each finished run."""
    speed = summary.get("speed") or {"backends": {}}
    phases = {"train": summary["backends"], "speed": speed["backends"]}
    return [
        (phase, name)
        for phase, rows in phases.items()
        for name, row in rows.items()
        if row["status"] == "ok"
    ]
