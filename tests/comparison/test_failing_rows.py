"""One row of a comparison fails, whatever is wrong with it; the others are trained and compared."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from d2ldrop import Recipe, compare_backends
from d2ldrop.comparison import running
from d2ldrop.comparison.lockstep_jobs import VariantJob
from d2ldrop.data import DataSource
from d2ldrop.processes.jobs import Job, LockstepJob, TrainJob
from d2ldrop.processes.launcher import WorkerFailedError
from d2ldrop.training.folder import NamedFolder
from tests.cli.test_cli import d2ldrop
from tests.comparison.test_runner import ONE_DTYPE, compare
from tests.fakes import BODIES, install

Damage = Callable[[Path], object]


def compared(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Any], object],
    dtype: str = "float32",
) -> dict[str, Any]:
    """Compare NumPy and NumPy concise in ``tmp_path``; ``damage`` is called with each finished job.

    Jobs run in this process, which is faster.
    """

    def run_and_damage(job: Job, *_: object, **__: object) -> None:
        try:
            job.run(lambda *_, **__: None)
        except Exception as error:
            raise WorkerFailedError(str(error)) from error
        for part in (job.training, job.steps) if isinstance(job, VariantJob) else (job,):
            damage(part)

    monkeypatch.setattr(running, "run_job", run_and_damage)
    summary = compare_backends(
        ["numpy"],
        Recipe(num_epochs=1, num_hiddens=(8, 8), dtype=dtype),
        data=DataSource("stand-in", train_size=300, test_size=50),
        implementation="both",
        out=tmp_path,
        name="n",
        lockstep_steps=2,
    )
    saved = json.loads((tmp_path / "n" / "summary.json").read_text())
    assert saved["backends"] == summary["backends"]
    return summary


def states(summary: dict[str, Any]) -> list[str]:
    return [row["status"] for row in summary["backends"].values()]


def rewrite(**values: Any) -> Damage:
    """Change fields of ``result.json``."""

    def damage(folder: Path) -> None:
        result = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps({**result, **values}))

    return damage


def other_weights(file: Path) -> None:
    save_file({**load_file(file), "W1": np.zeros((784, 9))}, file)


@pytest.mark.parametrize(
    "damage",
    [
        shutil.rmtree,
        lambda folder: (folder / "result.json").unlink(),
        lambda folder: (folder / "result.json").write_text(""),
        lambda folder: (folder / "result.json").write_text("[]"),
        lambda folder: (folder / "result.json").write_text("{}"),
        rewrite(epochs=[]),
        rewrite(epochs=None),
        rewrite(epochs=5),
        rewrite(epochs=[{"seconds": "long"}]),
        rewrite(recipe={"seed": 5}),
        rewrite(recipe=None),
        lambda folder: (folder / "weights.safetensors").unlink(),
        lambda folder: (folder / "weights.safetensors").write_bytes(b"no weights"),
        lambda folder: (folder / "trace.npy").write_bytes(b""),
        lambda folder: other_weights(folder / "weights.safetensors"),
    ],
    ids=[
        "no folder",
        "no result",
        "an empty result",
        "a list as the result",
        "a result without fields",
        "no epochs",
        "null as epochs",
        "a number as epochs",
        "an epoch without fields",
        "a recipe without fields",
        "null as the recipe",
        "no weights",
        "no safetensors file",
        "an empty trace",
        "other weights",
    ],
)
def test_results_that_are_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Damage
) -> None:
    def after(job: Any) -> None:
        if isinstance(job, TrainJob) and job.implementation == "scratch":
            damage(job.folder)

    summary = compared(tmp_path, monkeypatch, after, "float64")
    assert states(summary) == ["failed", "ok"]
    assert summary["backends"]["numpy"]["error"]
    assert summary["ok"] is False


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda file: file.write_bytes(b"no weights"),
        other_weights,
        lambda file: save_file({}, file),
        lambda file: shutil.rmtree(file.parent),
    ],
    ids=["no file", "no safetensors file", "other weights", "no weights", "no folder"],
)
def test_weights_of_the_first_steps_that_are_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Damage
) -> None:
    def after(job: Any) -> None:
        if isinstance(job, LockstepJob) and job.runs[0].out.stem.endswith("-numpy-concise"):
            damage(job.runs[0].out)

    summary = compared(tmp_path, monkeypatch, after)
    assert states(summary) == ["ok", "failed"]
    assert "numpy-concise" in states_of_lockstep(summary)
    assert not states_of_lockstep(summary)["numpy-concise"]


def states_of_lockstep(summary: dict[str, Any]) -> dict[str, bool]:
    return {k: v for check in summary["lockstep"] for k, v in check["in_lockstep"].items()}


def test_a_reference_that_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def after(job: Any) -> None:
        if isinstance(job, LockstepJob) and job.runs[0].out.stem.endswith("reference-None"):
            other_weights(job.runs[0].out)

    summary = compared(tmp_path, monkeypatch, after)
    assert states(summary) == ["ok", "ok"]
    assert summary["problem"].startswith("NumPy's reference run failed: ")
    assert summary["ok"] is False


def test_images_that_disappear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def after(job: Any) -> None:
        if isinstance(job, TrainJob) and job.implementation == "scratch":
            shutil.rmtree(job.shared.folder)

    summary = compared(tmp_path, monkeypatch, after)
    assert states(summary) == ["ok", "failed"]
    assert "No such file" in summary["backends"]["numpy-concise"]["error"]


FAULTS = {
    "signalled": "def train_step(*args, **kwargs):\n    import os\n    os.kill(os.getpid(), 40)\n",
    "exiting": "def train_step(*args, **kwargs):\n    raise SystemExit(0)\n",
    "full": (  # from here on every larger file is refused, as on a full disk
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    ),
    "talkative": "print('x' * 20_000_000, flush=True)\n",
    "markup": "",
}


def test_workers_that_end_badly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, body in FAULTS.items():
        monkeypatch.setitem(BODIES, name, body)
    env = install(tmp_path / "site", *FAULTS)
    (tmp_path / "site" / "markup.py").write_text('__version__ = "[/nope]"\n')
    summary, _ = compare(tmp_path, *FAULTS, "numpy", env=env, status=1)
    rows = summary["backends"]
    assert {name: row.get("error", "ok").partition(" (see")[0] for name, row in rows.items()} == {
        "signalled": "killed by signal 40",
        "exiting": f"exit status 0, but its work is not done; {sys.executable} must be a Python "
        "interpreter with this d2ldrop",
        "full": rows["full"]["error"],
        "talkative": "ok",
        "markup": "ok",
        "numpy": "ok",
    }
    assert rows["full"]["status"] == "failed"
    assert "File too large" in rows["full"]["error"]
    log = tmp_path / "runs" / "n" / "talkative" / "worker.log"
    assert log.stat().st_size < 10_100_000


def test_a_version_with_markup_is_shown_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BODIES, "markup", "")
    env = install(tmp_path / "site", "markup")
    (tmp_path / "site" / "markup.py").write_text('__version__ = "[/nope]"\n')
    stdout, _ = d2ldrop("compare", "markup", *ONE_DTYPE, cwd=tmp_path, env=env)
    assert "│ [/nope] │" in stdout


FULL_DISK = """
import errno
from d2ldrop.training.folder import NamedFolder
write_first = NamedFolder.write
def full(self, content):
    raise OSError(errno.ENOSPC, "No space left on device", "summary.json")
def write(self, content):  # a disk that is full from the beginning is an error
    NamedFolder.write = full
    return write_first(self, content)
NamedFolder.write = write
from d2ldrop.cli.main import main
main()
"""


def test_a_summary_that_cannot_be_saved_is_still_printed(tmp_path: Path) -> None:
    out = subprocess.run(
        [sys.executable, "-c", FULL_DISK, "compare", "numpy", *ONE_DTYPE, "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 1, out.stderr
    assert "WARNING: the summary is not saved: [Errno 28] No space left on device" in out.stderr
    assert "│ NumPy" in out.stdout
    assert "all in lockstep" in out.stdout


def test_a_summary_that_cannot_be_saved_is_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_first = NamedFolder.write

    def full(folder: NamedFolder, content: Any) -> dict[str, Any]:
        raise OSError(errno.ENOSPC, "No space left on device")

    def write(folder: NamedFolder, content: Any) -> dict[str, Any]:
        monkeypatch.setattr(NamedFolder, "write", full)
        return write_first(folder, content)

    monkeypatch.setattr(NamedFolder, "write", write)
    with pytest.warns(UserWarning, match="the summary is not saved"):
        summary = compare_backends(
            ["numpy"],
            Recipe(num_epochs=1, num_hiddens=(8, 8)),
            data=DataSource("stand-in", train_size=300, test_size=50),
            out=tmp_path,
            lockstep_steps=2,
        )
    assert states(summary) == ["ok"]
    assert summary["ok"] is False
