"""A plan refuses bad arguments and folders of other experiments, and writes nothing."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop.experiments.engine.jobs import ExperimentJob
from d2ldrop.experiments.engine.plan import plan_experiment
from d2ldrop.experiments.engine.runner import run_experiment
from d2ldrop.processes.jobs import Job
from d2ldrop.training.folder import NamedFolder
from tests.experiments.small import OPTIONS, SMALL, plan


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such"], "experiment must be one of swap-dropout, more-epochs"),
        (["features", "--seeds", "0"], "seeds must be a positive integer, got 0"),
        (["features", "--jobs", "0"], "jobs must be a positive integer, got 0"),
        (["features", "--backend", "tirch"], "tirch"),
        (["features", "--resume"], "--resume needs the --name of the run"),
    ],
)
def test_bad_arguments_are_refused_before_any_run(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "d2ldrop", "experiment", *arguments, *OPTIONS],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ended.returncode == 2
    assert message in " ".join(ended.stderr.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "no-such"}, "experiment must be one of"),
        ({"backend": "tirch"}, "tirch"),
        ({"seeds": 0}, "seeds must be a positive integer, got 0"),
        ({"timeout": -1}, "timeout must be a positive number of seconds, got -1"),
        ({"data": "no-such"}, "dataset must be one of"),
        ({"pythons": {"torch": sys.executable}}, "torch"),
    ],
)
def test_arguments_are_checked_before_images_are_loaded(
    arguments: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: object) -> None:
        raise AssertionError("images were loaded")

    monkeypatch.setattr("d2ldrop.data.DataSource.load", load)
    with pytest.raises(ValueError, match=message):
        plan_experiment(
            **{"name": "features", "folder": NamedFolder(tmp_path, "experiment"), **arguments}
        )


def test_the_seeds_start_at_the_seed_of_the_recipe(tmp_path: Path) -> None:
    planned = plan("test-time", tmp_path, recipe=replace(SMALL, seed=7), seeds=3)
    assert planned.seeds == (7, 8, 9)
    assert [job.recipe.seed for job in planned.jobs().values()] == [7, 8, 9]


def test_each_job_trains_its_arm_on_the_first_images(tmp_path: Path) -> None:
    planned = plan("data-size", tmp_path, recipe=replace(SMALL, seed=7))
    jobs = planned.jobs()
    assert list(jobs) == [(arm.name, seed) for seed in (7, 8) for arm in planned.arms]
    for arm in planned.arms:
        images = planned.data.train_images[: arm.train_size]
        for seed in (7, 8):
            job = jobs[arm.name, seed]
            assert job.recipe == replace(arm.recipe, seed=seed)
            data = job.source.load()
            assert data.sha256 == job.dataset_sha256
            np.testing.assert_array_equal(data.train_images, images)


def test_json_preserves_a_job_and_its_file_name_is_stable(tmp_path: Path) -> None:
    for job in plan("data-size", tmp_path).jobs().values():
        assert Job.from_dict(job.to_dict()) == job
    job = next(iter(plan("dropconnect", tmp_path).jobs().values()))
    assert isinstance(job, ExperimentJob)
    # Folders of earlier versions must still resume.
    fixed = replace(job, dataset_sha256="0" * 64)
    assert fixed.file_name == "numpy-6f3d99d9083b8fa2.json"


def test_the_folder_of_another_experiment_is_refused(tmp_path: Path) -> None:
    run_experiment(plan("test-time", tmp_path, seeds=1), num_jobs=1)
    with (
        pytest.raises(FileExistsError, match="holds an experiment"),
        NamedFolder.claim("experiment", tmp_path, "mine"),
    ):
        pass
    with pytest.raises(ValueError, match="holds an experiment with experiment test-time"):
        plan("dropconnect", tmp_path)
    with pytest.raises(ValueError, match=r"with lr \(--lr\) 0\.5, not 0\.1"):
        plan("test-time", tmp_path, recipe=replace(SMALL, lr=0.1))
    more = plan("test-time", tmp_path, recipe=replace(SMALL, seed=3), seeds=5)
    assert more.seeds == (3, 4, 5, 6, 7)
