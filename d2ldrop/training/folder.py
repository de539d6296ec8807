"""The folders of runs: their files, the checks before writing, and how a run is resumed.

``out/name/`` (``NamedFolder``) belongs to one run, comparison, experiment or benchmark. Each
backend that trains has a folder of its own inside (``RunFolder``). Every file is written whole or
not at all. ``result.json`` is written last: a run that has it is complete.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from d2ldrop.core.locks import FolderInUseError, locked
from d2ldrop.core.places import check_place
from d2ldrop.core.recipe import Recipe
from d2ldrop.training import saved_run
from d2ldrop.training.markers import MARKERS, read_marker, write_marker
from d2ldrop.training.run import Run
from d2ldrop.training.saved_run import SavedRun

OPTIONS = {
    name: f"--{name.replace('_', '-')}"
    for name in (
        *(field.name for field in fields(Recipe)),
        *("dataset", "train_size", "test_size", "backend", "device", "record", "threads"),
        *("execution", "on_divergence"),
    )
} | {"implementation": "--impl"}
"""The options of the command line that set what folders hold."""


class OtherRunError(ValueError):
    """The folder holds another run, comparison or experiment than the one asked for."""


@dataclass(frozen=True)
class NamedFolder:
    """The folder of a run, comparison, experiment or benchmark: ``out/name/``.

    Attributes:
        path: the folder; it need not exist.
        kind: "run" or one of MARKERS.
    """

    path: Path
    kind: str

    @classmethod
    @contextmanager
    def claim(
        cls,
        kind: str,
        out: Path | str = "runs",
        name: str | None = None,
        *,
        resume: bool = False,
    ) -> Iterator[NamedFolder]:
        """Lock the folder ``out/name``, after checking that a run of this ``kind`` may write there.

        At the end the lock is removed, and so is a new folder that is still empty.

        Args:
            kind: "run", "comparison", "experiment" or "benchmark".
            out: the folder of all runs.
            name: the folder's name; if not given, the current time, with a suffix if it is taken.
            resume: continue what the folder holds.

        Raises:
            ValueError: ``name`` is not a plain folder name; with ``resume``, the folder does not
                exist or holds another kind.
            FileExistsError: the folder holds something already, and ``resume`` is False.
            FolderInUseError: another process works in the folder.
            OSError: the folder cannot be created, or cannot be written to.
        """
        check_place(out, name or "name")
        with ExitStack() as stack:
            if name is not None:
                if name in ("", ".", "..") or Path(name).name != name:
                    raise ValueError(f"name must be a plain folder name, got {name!r}")
                folder = cls(Path(out) / name, kind)
                if resume:
                    folder._refuse_missing()
                stack.enter_context(locked(folder.path))
            elif resume:
                raise ValueError(
                    "resume=True (--resume) needs the name (--name) of the run to go on with"
                )
            else:
                folder = cls._lock_new(kind, Path(out), stack)
            if resume:
                folder._refuse_other_kind()
            else:
                folder._refuse_overwrite()
            yield folder

    @classmethod
    def _lock_new(cls, kind: str, out: Path, stack: ExitStack) -> NamedFolder:
        """Lock a new folder in ``stack``. Its name is the current time, with a suffix if needed."""
        now = time.strftime("%Y%m%d-%H%M%S")
        for number in itertools.count(1):
            path = out / (now if number == 1 else f"{now}-{number}")
            with suppress(FolderInUseError):
                if not path.exists():
                    stack.enter_context(locked(path))
                    return cls(path, kind)
        raise AssertionError("unreachable: the loop above has no end")

    def backend(self, name: str) -> RunFolder:
        """The folder of one backend's run; ``name`` is "torch" or "torch-concise"."""
        return RunFolder(self.path / name)

    def read(self) -> dict[str, Any] | None:
        """The content of the kind's marker file; None if it does not exist.

        Raises:
            DamagedFileError: the file is damaged; the message names it.
        """
        return read_marker(self.path, self.kind)

    def write(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Write the kind's marker file, sealed, and return its content.

        ``content`` includes the fields of its identity.
        """
        return write_marker(self.path, self.kind, content)

    def refuse_other(self, asked: Mapping[str, Any]) -> None:
        """Raise OtherRunError if a field of the marker file differs from ``asked``.

        A field that the file lacks is not compared. A field that its recipe lacks has its default.
        """
        kept = self.read()
        if kept is not None:
            refuse_difference(self.path, self.kind, kept, asked)

    def _refuse_overwrite(self) -> None:
        if self.path.is_dir():
            for folder in sorted(self.path.iterdir()):
                RunFolder(folder).refuse_overwrite()
        for kind in self._held():
            if kind == "benchmark":  # a benchmark cannot be resumed
                raise FileExistsError(
                    f"{self.path} holds a benchmark: choose another folder (--name)"
                )
            raise FileExistsError(_already(self.path, _a(kind)))

    def _refuse_missing(self) -> None:
        if not self.path.is_dir():
            raise ValueError(
                f"there is no run {self.path} to go on with: leave out resume (--resume), or give "
                "the name (--name) of a run"
            )

    def _refuse_other_kind(self) -> None:
        together = ("run", "comparison")  # a comparison may resume a single run, and vice versa
        for kind in self._held():
            if kind != self.kind and not (kind in together and self.kind in together):
                raise ValueError(
                    f"{self.path} holds {_a(kind)}, not {_a(self.kind)}: "
                    "choose another folder (--name)"
                )

    def _held(self) -> list[str]:
        return [kind for kind, file in MARKERS.items() if (self.path / file).exists()]


class RunFolder:
    """The folder of one backend's run: ``out/name/backend/``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.result = path / saved_run.RESULT
        self.weights = path / saved_run.WEIGHTS
        self.checkpoint = path / saved_run.CHECKPOINT
        self.log = path / "worker.log"

    @contextmanager
    def claim(self, run: Run, *, resume: bool) -> Iterator[None]:
        """Lock the folder for ``run``, and with ``resume`` load what it holds into ``run``.

        Raises:
            FolderInUseError: another process trains into the folder.
            FileExistsError: the folder holds a run, and ``resume`` is False.
            OtherRunError: the folder holds another run; the message names the first difference.
        """
        with locked(self.path):
            if resume:
                self._restore(run)
            else:
                self.refuse_overwrite()
            yield

    def refuse_overwrite(self) -> None:
        """Raise FileExistsError if the folder holds a run, finished or not."""
        for file, state in (
            (self.result, "a finished run"),
            (self.checkpoint, "an interrupted run"),
        ):
            if file.exists():
                raise FileExistsError(_already(self.path, state))

    def refuse_other(self, asked: Mapping[str, Any]) -> None:
        """Raise OtherRunError if the folder holds a run whose identity differs from ``asked``.

        ``asked`` has fields of ``RunIdentity.deciding``. Fields that either side lacks are not
        compared.
        """
        saved = self.read()
        if saved is not None:
            refuse_difference(self.path, "run", saved.identity.deciding(), asked)

    def read(self) -> SavedRun | None:
        """The folder's finished run or checkpoint, checked; None if there is neither.

        Raises:
            DamagedFileError: a file of the run is damaged; the message names it.
        """
        return saved_run.read(self.path)

    def read_result(self) -> dict[str, Any]:
        """The ``result.json`` of a complete run."""
        return saved_run.read_result(self.path)

    def save_checkpoint(self, run: Run) -> None:
        """Write a checkpoint from which ``run`` can continue after its last epoch."""
        saved_run.write_checkpoint(self.path, run)

    def save(self, run: Run) -> None:
        """Write a complete run and remove its checkpoint."""
        saved_run.write(self.path, run)

    def _restore(self, run: Run) -> None:
        """Load the folder's finished run or checkpoint into ``run``, if there is one."""
        saved = self.read()
        if saved is not None:
            refuse_difference(self.path, "run", saved.identity.deciding(), run.identity.deciding())
            run.trace = saved.trace
            run.weights = saved.weights
            run.history = saved.history
            run.activations = saved.activations
            run.peak_rss_bytes = saved.peak_rss_bytes


def first_difference(
    kept: Mapping[str, Any], asked: Mapping[str, Any]
) -> tuple[str, Any, Any] | None:
    """The first field of ``asked`` that differs in ``kept``: its name and both values.

    Fields of a nested mapping are compared one by one. A field that ``kept`` lacks is not
    compared: an older version wrote ``kept``, or the value is unknown.
    """
    for name, value in asked.items():
        if name not in kept:
            continue
        if isinstance(value, Mapping) and isinstance(kept[name], Mapping):
            found = first_difference(kept[name], value)
            if found is not None:
                return found
        elif kept[name] != value:
            return name, kept[name], value
    return None


def refuse_difference(
    path: Path, kind: str, kept: Mapping[str, Any], asked: Mapping[str, Any]
) -> None:
    """Raise OtherRunError if ``asked`` differs from ``kept``; the message names the first field.

    Args:
        path: the folder, for the message.
        kind: what it holds, as in ``NamedFolder``.
        kept: the settings in the folder.
        asked: the settings asked for now.
    """
    found = first_difference(kept, asked)
    if found is not None:
        name, old, new = found
        raise OtherRunError(
            f"{path} holds {_a(kind)} with {_with_option(name)} {_words(old)}, not {_words(new)}: "
            "choose another folder (--name), or give the same options"
        )


def _with_option(name: str) -> str:
    """The name of a setting, with its option on the command line if it has one."""
    if name in OPTIONS:
        return f"{name} ({OPTIONS[name]})"
    return name


def _words(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value)) or None
    return "unset" if value is None else str(value)


def _already(path: Path, what: str) -> str:
    return (
        f"{path} holds {what}: resume=True (--resume) keeps what is there and goes on; "
        "another folder (--name) starts anew"
    )


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
