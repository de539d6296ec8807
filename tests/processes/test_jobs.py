"""JSON preserves jobs, and each job reports its results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from d2ldrop import Recipe, load_data, load_weights
from d2ldrop.cli.progress import Progress
from d2ldrop.processes import jobs
from d2ldrop.processes.jobs import (
    Emit,
    EvaluateJob,
    Job,
    LockstepJob,
    LockstepSteps,
    ProbeJob,
    TrainJob,
)
from d2ldrop.processes.shared_data import SharedData, shared_data

SMALL = Recipe(num_epochs=2, batch_size=32, num_hiddens=(8, 8))


@pytest.fixture
def shared() -> Iterator[SharedData]:
    with shared_data(load_data("stand-in", train_size=100, test_size=50)) as data:
        yield data


class Reports(list[dict[str, Any]]):
    """A list of the reports of a job."""

    def __call__(self, event: str, /, **values: Any) -> None:
        self.append({"event": event, **values})


@dataclass(frozen=True)
class OwnJob(Job):
    """A job that another package defines."""

    sizes: tuple[int, ...] = ()
    recipe: Recipe | None = None

    def run(self, emit: Emit) -> None:
        emit("own", total=sum(self.sizes))


def again(job: Job) -> Job:
    return Job.from_dict(json.loads(json.dumps(job.to_dict())))


def test_json_preserves_a_job(tmp_path: Path) -> None:
    shared = SharedData("stand-in", tmp_path)
    steps = LockstepSteps(Recipe(max_norm=2), 3, tmp_path / "w", nudge=1)
    jobs = [
        ProbeJob("numpy"),
        TrainJob("numpy", shared, SMALL, tmp_path / "run", record=("activations",)),
        EvaluateJob("numpy", shared, tmp_path / "weights.safetensors", "gpu:0"),
        LockstepJob("numpy", shared, (steps, LockstepSteps(SMALL, 1, tmp_path / "v"))),
        OwnJob("numpy", (1, 2), SMALL),
        OwnJob("numpy"),
    ]
    for job in jobs:
        assert again(job) == job
        assert type(again(job)) is type(job)
    assert jobs[0].to_dict() == {"class": "d2ldrop.processes.jobs:ProbeJob", "backend": "numpy"}


def test_other_classes_and_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="a job must be a subclass of Job, got builtins:print"):
        Job.from_dict({"class": "builtins:print", "backend": "numpy"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'new'"):
        Job.from_dict({**ProbeJob("numpy").to_dict(), "new": 1})


def test_training_and_evaluation_report_the_same_accuracy(
    shared: SharedData, tmp_path: Path
) -> None:
    heard = Reports()
    TrainJob("numpy", shared, SMALL, tmp_path).run(heard)
    assert [event["epoch"] for event in heard if event["event"] == "epoch"] == [1, 2]
    steps = [event for event in heard if event["event"] == "step"]
    assert steps[-1] == {"event": "step", "phase": "train", "done": 8, "total": 8}
    heard.clear()
    EvaluateJob("numpy", shared, tmp_path / "weights.safetensors").run(heard)
    result = json.loads((tmp_path / "result.json").read_text())
    assert heard[0]["accuracy"] == result["epochs"][-1]["test_accuracy"]


def test_training_records_samples_but_not_for_speed(shared: SharedData, tmp_path: Path) -> None:
    TrainJob("numpy", shared, SMALL, tmp_path / "train").run(Reports())
    TrainJob("numpy", shared, SMALL, tmp_path / "speed", phase="speed").run(Reports())
    assert (tmp_path / "train" / "samples.safetensors").exists()
    assert not (tmp_path / "speed" / "samples.safetensors").exists()


def test_lockstep_steps_save_their_weights(shared: SharedData, tmp_path: Path) -> None:
    recipe = Recipe(num_epochs=1, batch_size=32, num_hiddens=(8, 8), dtype="float64")
    plain = LockstepSteps(recipe, 3, tmp_path / "plain")
    moved = LockstepSteps(recipe, 3, tmp_path / "moved", nudge=0)
    heard = Reports()
    LockstepJob("numpy", shared, (plain, moved)).run(heard)
    assert heard[-1] == {"event": "step", "phase": "lockstep", "done": 6, "total": 6}
    difference = load_weights(plain.out)["W1"] - load_weights(moved.out)["W1"]
    assert 0 < abs(difference).max() < 1e-10


def test_a_probe_reports_version_and_devices() -> None:
    heard = Reports()
    ProbeJob("numpy").run(heard)
    assert heard[0]["devices"] == ["cpu"]
    assert heard[0]["version"]


def test_shared_data_have_the_same_images() -> None:
    data = load_data("stand-in", train_size=20, test_size=10)
    with shared_data(data) as shared:
        loaded = shared.load()
        assert loaded.sha256 == data.sha256
        assert loaded.name == "stand-in"
        assert not loaded.train_images.flags.writeable
    assert not shared.folder.exists()


def test_missing_samples_are_reported_and_shown(
    shared: SharedData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(jobs, "record_samples", lambda *_: "its samples are not recorded")
    progress = Progress()

    def emit(event: str, /, **values: Any) -> None:
        progress("numpy", {"event": event, **values})

    TrainJob("numpy", shared, SMALL, tmp_path / "run").run(emit)
    assert "NumPy: WARNING: its samples are not recorded" in capsys.readouterr().err
