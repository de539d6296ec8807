"""What a running comparison has reported so far. Threads of the server read it."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from d2ldrop.page.observers import Epoch, finished_runs, run_folder, saved_epochs

STATES = {"ok": "done", "failed": "failed", "interrupted": "interrupted", "not run": "waiting"}
"""The state of a variant by the status of its row."""
PHASES = {"train": "training", "speed": "training_speed", "lockstep": "lockstep"}
"""The state of a variant by the phase of its reports; "conformance" and others are checks."""


@dataclass
class Progress:
    """The state of one variant.

    Attributes:
        state: "waiting", "training", "training_speed", "lockstep", "checking", "done", "failed" or
            "interrupted".
        percent: of the present phase, 0 to 100; None before and after.
    """

    state: str = "waiting"
    percent: int | None = None


@dataclass
class Snapshot:
    """The state at one moment.

    Attributes:
        version: grows with each change.
        drawn: grows with each change of the curves or the table.
        summary: the newest summary; None before the first.
        variants: the state of each variant.
        epochs: the epochs so far, by phase ("train", "speed") and variant.
        news: the variant that has just changed its state, and that state.
        ended: whether the comparison has ended.
    """

    version: int = 0
    drawn: int = 0
    summary: dict[str, Any] | None = None
    variants: dict[str, Progress] = field(default_factory=dict)
    epochs: dict[tuple[str, str], list[Epoch]] = field(default_factory=dict)
    news: tuple[str, str] | None = None
    ended: bool = False


class LiveState:
    """Collects reports, and wakes those who wait for a change."""

    def __init__(self) -> None:
        self._now = Snapshot()
        self._changed = threading.Condition()

    def on_event(self, name: str, event: dict[str, Any]) -> None:
        """Take a report of a variant's worker."""
        kind = event["event"]
        with self._changed:
            if kind == "step":
                state = PHASES.get(event["phase"], "checking")
                percent = 100 * event["done"] // max(1, event["total"])
                self._set(name, state, percent)
            elif kind == "epoch":
                self._add_epoch(name, event)
            elif kind == "failed":
                self._set(name, "failed", None)

    def on_summary(self, summary: dict[str, Any]) -> None:
        """Take the newest summary, and the epochs of finished runs that nobody has reported."""
        with self._changed:
            self._now.summary = summary
            for name, row in summary["backends"].items():
                self._set(name, STATES[row["status"]], None)
            for key in finished_runs(summary):
                if key not in self._now.epochs:
                    run = run_folder(Path(summary["folder"]), *key)
                    self._now.epochs[key] = saved_epochs(run)
            self._draw()

    def end(self) -> None:
        """The comparison has ended."""
        with self._changed:
            self._now.ended = True
            self._draw()

    @property
    def ended(self) -> bool:
        """Whether the comparison has ended."""
        return self._now.ended

    def snapshot(self) -> Snapshot:
        """A copy of the state. Nobody changes the summary or an epoch that it shares."""
        with self._changed:
            now = copy.copy(self._now)
            now.variants = {name: copy.copy(one) for name, one in now.variants.items()}
            now.epochs = {key: list(epochs) for key, epochs in now.epochs.items()}
            return now

    def wait(self, version: int, timeout: float) -> int:
        """Wait until the version is another one, at most ``timeout`` seconds; return it."""
        with self._changed:
            self._changed.wait_for(lambda: self._now.version != version, timeout)
            return self._now.version

    def _add_epoch(self, name: str, event: Epoch) -> None:
        key, summary = (event.get("phase", "train"), name), self._now.summary
        epochs = self._now.epochs.get(key)
        if epochs is None:  # a resumed run has earlier epochs, which nobody reports
            found = saved_epochs(run_folder(Path(summary["folder"]), *key)) if summary else []
            epochs = [one for one in found if one["epoch"] < event["epoch"]]
        self._now.epochs[key] = [*epochs, event]
        self._draw()

    def _set(self, name: str, state: str, percent: int | None) -> None:
        before = self._now.variants.get(name)
        if before is None or (before.state, before.percent) != (state, percent):
            if before is not None and before.state != state:
                self._now.news = name, state
            self._now.variants[name] = Progress(state, percent)
            self._change()

    def _draw(self) -> None:
        self._now.drawn += 1
        self._change()

    def _change(self) -> None:
        self._now.version += 1
        self._changed.notify_all()
