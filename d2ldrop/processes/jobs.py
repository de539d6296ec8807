"""Jobs: tasks for worker processes, as data that JSON can hold.

A job may be defined in any module: a worker finds its class by name. The parent makes the job and
hands it to ``launcher.run_job``; the worker calls its ``run``.
"""

from __future__ import annotations

import dataclasses
import sys
import time
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol

from safetensors.numpy import save_file

from d2ldrop.backend import get_backend
from d2ldrop.core.arrays import Weights
from d2ldrop.core.files import write_json
from d2ldrop.core.randomness import initial_weights, nudged
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset
from d2ldrop.processes.shared_data import SharedData
from d2ldrop.training.layer_check import concise_faults, layer_faults
from d2ldrop.training.loop import OnStep, evaluate, train
from d2ldrop.training.observed import Observer, RunObserver
from d2ldrop.training.run import EpochResult
from d2ldrop.training.samples import record_samples
from d2ldrop.training.saved_arrays import load_weights
from d2ldrop.training.short_training import short_data, short_weights
from d2ldrop.training.steps import take_steps

SECONDS_BETWEEN_REPORTS = 0.1


class Emit(Protocol):
    """Reports an event to the parent process; all values must be JSON values."""

    def __call__(self, event: str, /, **values: Any) -> None:
        """Report ``event``, such as "step" or "epoch"."""
        ...


@dataclass(frozen=True)
class Job:
    """The base class of all jobs. A job is a frozen dataclass, and its ``run`` does the work.

    Fields are JSON values, paths, dataclasses, or tuples of one of these.

    Attributes:
        backend: the framework that the worker imports.
        answer: the report that contains the result; a job without it is not done. None: the job
            has no such report.
    """

    answer: ClassVar[str | None] = None
    backend: str

    def run(self, emit: Emit) -> None:
        """Do the work, inside the worker."""
        raise NotImplementedError(f"{type(self).__name__} has no run method")

    def to_dict(self) -> dict[str, Any]:
        """The job as JSON values; "class" names its class as "module:Class"."""
        kind = type(self)
        fields: dict[str, Any] = _to_json(self)
        return {"class": f"{kind.__module__}:{kind.__qualname__}", **fields}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Job:
        """The job from which ``to_dict`` made ``values``.

        Raises:
            ImportError, AttributeError: its class does not exist here.
            TypeError: the class is not a job, or it has other fields.
        """
        fields = dict(values)
        module, _, name = fields.pop("class").partition(":")
        kind = getattr(import_module(module), name)
        if not (isinstance(kind, type) and issubclass(kind, Job)):
            raise TypeError(f"a job must be a subclass of Job, got {module}:{name}")
        job: Job = _from_json(kind, fields)
        return job


@dataclass(frozen=True)
class ProbeJob(Job):
    """Import the framework; reports "probe" with its version and devices."""

    answer: ClassVar[str | None] = "probe"

    def run(self, emit: Emit) -> None:
        """Import the framework and report."""
        backend = get_backend(self.backend)
        version = getattr(sys.modules[self.backend], "__version__", "unknown")
        emit("probe", version=str(version), devices=backend.devices())


@dataclass(frozen=True)
class TrainJob(Job):
    """Train into a folder; reports "step" and "epoch", and "warning" if its samples are missing.

    The fields are ``train``'s arguments. ``phase`` is in every report: "train", or "speed" for the
    runs of a comparison that show speed and memory.
    """

    shared: SharedData
    recipe: Recipe
    folder: Path
    implementation: str = "scratch"
    device: str = "cpu"
    resume: bool = False
    record: tuple[str, ...] = ()
    on_divergence: str = "continue"
    phase: str = "train"

    def run(self, emit: Emit) -> None:
        """Train."""

        def on_epoch(result: EpochResult) -> None:
            emit("epoch", phase=self.phase, **asdict(result))

        data = self.shared.load()
        run = train(
            self.backend,
            self.recipe,
            implementation=self.implementation,
            data=data,
            device=self.device,
            folder=self.folder,
            resume=self.resume,
            record=self.record,
            on_divergence=self.on_divergence,
            on_step=step_reporter(emit, self.phase),
            on_epoch=on_epoch,
        )
        if self.phase == "train":  # the runs for speed and memory have nothing else to show
            problem = record_samples(self.folder, run, data)
            if problem is not None:
                emit("warning", message=problem)


@dataclass(frozen=True)
class EvaluateJob(Job):
    """Evaluate saved weights; reports "evaluation" with loss (nats) and accuracy."""

    answer: ClassVar[str | None] = "evaluation"
    shared: SharedData
    weights: Path
    device: str = "cpu"

    def run(self, emit: Emit) -> None:
        """Evaluate."""
        weights, data = load_weights(self.weights), self.shared.load()
        loss, accuracy = evaluate(weights, self.backend, data, device=self.device)
        emit("evaluation", loss=loss, accuracy=accuracy)


@dataclass(frozen=True)
class LockstepSteps:
    """Training steps of one recipe; what they show is compared with NumPy's steps.

    Attributes:
        recipe: the hyper-parameters.
        num_steps: number of steps from the initial weights.
        out: the file for the weights after these steps.
        implementation: "scratch" or "concise".
        nudge: the number of the nudge (see ``core.randomness.nudged``); None: no nudge.
        kind: "first" (steps of a run), "whole" (all steps of a run) or "short" (the data and the
            initial weights of ``training.short_training``).
    """

    recipe: Recipe
    num_steps: int
    out: Path
    implementation: str = "scratch"
    nudge: int | None = None
    kind: str = "first"

    @property
    def divergence(self) -> Path:
        """The file that says whether the training diverged: ``{"diverged_after": N or null}``.

        After short steps it also has "faults": what ``training.layer_check`` found.
        """
        return self.out.with_suffix(".json")

    @property
    def observed(self) -> Path:
        """The file with what the steps show (see ``training.observed``), as safetensors."""
        return self.out.with_suffix(".observed")

    def take(self, backend: str, data: Dataset, device: str, on_step: OnStep) -> None:
        """Take the steps, and write the files."""
        recipe, short = self.recipe, self.kind == "short"
        weights: Weights = initial_weights(recipe.seed, recipe.sizes, recipe.dtype)
        if short:
            data, weights = short_data(data), short_weights(recipe)
        if self.nudge is not None:
            weights = nudged(weights, recipe.seed, self.nudge)
        observer = RunObserver(data) if self.kind == "whole" else Observer(data)
        if (
            short
        ):  # every step is looked at; in a run, a compiler would have to compile a chunk more
            observer.alone = self.num_steps
        weights, diverged = take_steps(
            backend,
            weights,
            recipe,
            data,
            self.num_steps,
            implementation=self.implementation,
            device=device,
            on_step=on_step,
            observer=observer,
        )
        faults: list[str] = []
        if short and self.nudge is None:
            look = layer_faults if self.implementation == "scratch" else concise_faults
            faults = look(get_backend(backend), device)
        save_file(dict(weights), self.out)
        save_file(observer.found, self.observed)
        write_json(self.divergence, {"diverged_after": diverged, "faults": faults})


@dataclass(frozen=True)
class LockstepJob(Job):
    """Take the steps of several lockstep checks and save what they show; reports "step".

    A training that diverges takes no more steps.
    """

    shared: SharedData
    runs: tuple[LockstepSteps, ...]
    device: str = "cpu"

    def run(self, emit: Emit) -> None:
        """Take the steps of each run."""
        data, report = self.shared.load(), step_reporter(emit, "lockstep")
        done, total = 0, sum(run.num_steps for run in self.runs)
        for run in self.runs:

            def on_step(step: int, _: int, before: int = done) -> None:
                report(before + step, total)

            run.take(self.backend, data, self.device, on_step)
            done += run.num_steps


def step_reporter(emit: Emit, phase: str) -> Callable[[int, int], None]:
    """A callback that reports "step": the first, the last, and about ten per second."""
    last = 0.0

    def on_step(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last >= SECONDS_BETWEEN_REPORTS:
            last = now
            emit("step", phase=phase, done=done, total=total)

    return on_step


def _to_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: _to_json(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_to_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _from_json(kind: Any, value: Any) -> Any:
    """Convert the JSON value ``value`` to the type ``kind``: the inverse of ``_to_json``."""
    if value is None:
        return None
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):  # X | None
        return _from_json(next(one for one in arguments if one is not types.NoneType), value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _from_json(hints.get(name), item) for name, item in value.items()})
    if typing.get_origin(kind) is tuple:
        return tuple(_from_json(arguments[0], item) for item in value)
    return Path(value) if kind is Path else value
