"""``--tensorboard``: event files for TensorBoard, beside the results.

Each run has its own folder of event files, ``tensorboard/torch/`` and, for the run in float32
beside one in float64, ``tensorboard/float32/torch/``. This module writes them anew when the run
starts or is kept, so a resumed run never has a point twice.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from d2ldrop.page.observers import Epoch, finished_runs, run_folder, saved_epochs
from d2ldrop.training.folder import RunFolder

FOLDER = "tensorboard"
TAGS = {
    "train_loss": "epoch/train loss",
    "train_accuracy": "epoch/train accuracy",
    "test_accuracy": "epoch/test accuracy",
    "seconds": "epoch/seconds",
}
"""The tag of each field of an epoch. The step of its points is the epoch."""
STEP_LOSS = "step/loss"
RECIPE = "recipe"

Key = tuple[str, str]
"""The phase and the variant of a run."""


def require_tensorboard() -> None:
    """Import TensorBoard without TensorFlow.

    TensorBoard imports TensorFlow if it is installed, unless it finds the module that its own
    build for users without TensorFlow has.

    Raises:
        ImportError: TensorBoard is missing.
    """
    name = "tensorboard.compat.notf"
    sys.modules.setdefault(name, ModuleType(name))
    try:
        import tensorboard.summary.writer.event_file_writer  # noqa: F401 - only asked for
    except ImportError as error:
        raise ImportError(
            f'--tensorboard needs TensorBoard ({error}): pip install "d2ldrop[tensorboard]"'
        ) from error


class EventFiles:
    """Writes event files: epochs as they come, and the loss of each step at the end of a run."""

    def __init__(self) -> None:
        """Prepare to write; the first summary names the folder.

        Raises:
            ImportError: TensorBoard is missing.
        """
        require_tensorboard()
        self._folder: Path | None = None
        self._open: dict[Key, _Writer] = {}
        self._done: set[Key] = set()

    def on_event(self, name: str, event: dict[str, Any]) -> None:
        """Write an epoch."""
        if event["event"] == "epoch" and self._folder is not None:
            key = event.get("phase", "train"), name
            if key not in self._open:
                before = saved_epochs(run_folder(self._folder, *key))
                earlier = [one for one in before if one["epoch"] < event["epoch"]]
                self._open[key] = self._writer(key, earlier)
            self._open[key].write_epochs([event])

    def on_summary(self, summary: dict[str, Any]) -> None:
        """Complete the files of the runs that have finished, also of those that are kept."""
        self._folder = Path(summary["folder"])
        for key in finished_runs(summary):
            if key not in self._done:
                self._finish(key, run_folder(self._folder, *key))

    def _finish(self, key: Key, run: RunFolder) -> None:
        """Write the recipe and the loss of each step of a finished run, and close its file."""
        writer = self._open.pop(key, None) or self._writer(key, saved_epochs(run))
        writer.write_recipe(run.read_result()["recipe"])
        writer.write_losses(np.load(run.trace))
        writer.close()
        self._done.add(key)

    def close(self) -> None:
        """Close the files of runs that have not finished."""
        while self._open:
            self._open.popitem()[1].close()

    def _writer(self, key: Key, epochs: list[Epoch]) -> _Writer:
        assert self._folder is not None  # the callers know it
        place = run_folder(self._folder / FOLDER, *key).path
        writer = _Writer(place)
        writer.write_epochs(epochs)
        return writer


class _Writer:
    """The event file of one run; those of earlier processes are removed."""

    def __init__(self, place: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        for old in place.glob("events.out.tfevents.*"):
            old.unlink()
        self._file = EventFileWriter(str(place))

    def write_epochs(self, epochs: list[Epoch]) -> None:
        for epoch in epochs:
            for field, tag in TAGS.items():
                self._add_scalar(tag, epoch[field], epoch["epoch"])
        self._file.flush()

    def write_losses(self, losses: np.ndarray[Any, Any]) -> None:
        for step, loss in enumerate(losses.tolist(), 1):
            self._add_scalar(STEP_LOSS, loss, step)

    def write_recipe(self, recipe: dict[str, Any]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue] # protobuf
        from tensorboard.plugins.text.metadata import create_summary_metadata
        from tensorboard.util.tensor_util import make_tensor_proto

        text = "\n".join(f"    {name}: {json.dumps(value)}" for name, value in recipe.items())
        tensor = make_tensor_proto(np.array([text.encode()], dtype=object))
        metadata = create_summary_metadata(RECIPE, "")
        self._add(Summary.Value(tag=RECIPE, metadata=metadata, tensor=tensor), 0)

    def close(self) -> None:
        self._file.close()

    def _add_scalar(self, tag: str, value: float | None, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue] # protobuf

        number = math.nan if value is None else float(np.float32(value))
        self._add(Summary.Value(tag=tag, simple_value=number), step)

    def _add(self, value: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue] # protobuf
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue] # protobuf

        summary = Summary(value=[value])
        self._file.add_event(Event(wall_time=time.time(), step=step, summary=summary))
