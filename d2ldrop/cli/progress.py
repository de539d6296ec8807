"""Progress on stderr: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from d2ldrop.frameworks import title

BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{remaining}{postfix}]"
PHASES = {
    "lockstep": "lockstep check",
    "train": "training",
    "speed": "training in float32",
    "benchmark": "benchmark",
    "experiment": "experiment",
}


class Progress:
    """Shows the reports of workers. Call it with a backend's name and an event."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._begun = False
        self._bar: tqdm[Any] | None = None
        self._phase: tuple[str, str] | None = None

    def __call__(self, backend: str, event: dict[str, Any]) -> None:
        """Show one report."""
        self._begun = True
        if self._quiet:
            return
        if event["event"] == "step":
            self._step(backend, event)
        elif event["event"] == "epoch":
            self._epoch(backend, event)
        elif event["event"] == "warning":
            self.say(f"{title(backend)}: WARNING: {event['message']}")
        elif event["event"] == "failed":
            self.close()
            self.say(f"{title(backend)}: FAILED: {event['message']}")

    def _step(self, backend: str, event: dict[str, Any]) -> None:
        phase = backend, event["phase"]
        if phase != self._phase or (self._bar and event["total"] != self._bar.total):
            self.close()
            self._phase = phase
            text = f"{title(backend)}: {PHASES.get(event['phase'], event['phase'])}"
            if self._terminal:
                # Remove the bar after a lockstep check or a benchmark; keep it after a run.
                self._bar = tqdm(
                    total=event["total"],
                    desc=text,
                    bar_format=BAR,
                    leave=event["phase"] in ("train", "experiment"),
                    dynamic_ncols=True,
                )
            else:
                unit = "epochs" if event["phase"] == "experiment" else "steps"
                self.say(f"{text}, {event['total']:,} {unit}")
        if self._bar:
            self._bar.update(event["done"] - self._bar.n)

    def _epoch(self, backend: str, event: dict[str, Any]) -> None:
        metrics = {
            "loss": event["train_loss"],
            "acc": event["train_accuracy"],
            "test": event["test_accuracy"],
        }
        numbers = {
            name: "nan" if value is None else f"{value:.4f}" for name, value in metrics.items()
        }
        if self._bar:
            self._bar.set_postfix(_fitting(numbers, self._bar))
        else:
            self.say(
                f"{title(backend)}: epoch {event['epoch']}: train loss {numbers['loss']}, "
                f"train accuracy {numbers['acc']}, test accuracy {numbers['test']}, "
                f"{event['seconds']:.2f} s"
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close the bar. After the work has begun, an error is no bad argument: exit status 1."""
        self.close()
        if self._begun and isinstance(error, (OSError, ValueError)):
            raise click.ClickException(str(error)) from error

    def say(self, line: str) -> None:
        """Write a line above the bar."""
        tqdm.write(line, file=sys.stderr)

    def close(self) -> None:
        """Close the bar, if there is one."""
        if self._bar:
            self._bar.close()
        self._bar = self._phase = None


def _fitting(numbers: dict[str, str], bar: tqdm[Any]) -> dict[str, str]:
    """The numbers that fit beside a bar: tqdm would cut the last one."""
    shown = dict(numbers)
    used = len(bar.desc) + 2 * len(str(bar.total)) + len(" 100%|#| / [00:00]")
    for name in ("acc", "loss"):
        beside = sum(len(f", {key}={value}") for key, value in shown.items())
        if bar.ncols and used + beside > bar.ncols:
            del shown[name]
    return shown


def say_how_to_resume(folder: Path, what: str = "epochs") -> None:
    """After Ctrl-C: say what is kept, and how to continue."""
    if folder.exists():
        click.echo(
            f"\nFinished {what} are kept in {folder}; "
            f"the same command with --name {folder.name} --resume continues.",
            err=True,
        )
