"""``--tensorboard``: the event files, read back by TensorBoard itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop.page.event_files import TAGS, EventFiles
from d2ldrop.page.observers import Observers
from d2ldrop.page.results import read_comparison
from tests.page.made_up import write_comparison


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_comparison(tmp_path / "a", variants=("numpy", "torch"), num_epochs=4)


def points(place: Path) -> dict[str, list[tuple[int, float]]]:
    """The scalars of a run as TensorBoard reads them, by tag: step and value."""
    accumulator = accumulated(place)
    return {
        tag: [(one.step, one.value) for one in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }


def accumulated(place: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(place), size_guidance={"scalars": 0}).Reload()


def write(summary: dict[str, Any]) -> None:
    files = EventFiles()
    files.on_summary(summary)
    files.close()


@pytest.mark.parametrize("name", ["numpy", "torch", "float32/numpy", "float32/torch"])
def test_values_are_those_of_the_run(folder: Path, name: str) -> None:
    results = read_comparison(folder)
    write(results.summary)
    runs = results.speed_runs if "/" in name else results.runs
    run, found = runs[Path(name).name], points(folder / "tensorboard" / name)
    for field, tag in TAGS.items():
        expected = [(one["epoch"], float(np.float32(one[field]))) for one in run.result["epochs"]]
        assert found[tag] == expected
    losses = run.losses.astype(np.float32).tolist()
    assert found["step/loss"] == list(enumerate(losses, 1))


def test_recipe_is_a_text(folder: Path) -> None:
    write(read_comparison(folder).summary)
    event = accumulated(folder / "tensorboard" / "torch").Tensors("recipe")[0]
    assert b'dtype: "float64"' in event.tensor_proto.string_val[0]


def test_epochs_are_there_while_the_run_goes_on(folder: Path) -> None:
    summary = read_comparison(folder).summary
    epochs = read_comparison(folder).runs["torch"].result["epochs"]
    files = EventFiles()
    files.on_summary({**summary, "backends": {"torch": {"status": "not run"}}, "speed": None})
    files.on_event("torch", {"event": "epoch", "phase": "train", **epochs[0]})
    found = points(folder / "tensorboard" / "torch")
    files.close()
    assert [step for step, _ in found["epoch/train loss"]] == [1]


def test_a_resumed_run_has_every_epoch_once(folder: Path) -> None:
    summary = read_comparison(folder).summary
    epochs = read_comparison(folder).runs["torch"].result["epochs"]
    begun = {**summary, "backends": {"torch": {"status": "not run"}}, "speed": None}
    for numbers in ((0, 1), (2, 3)):  # the first process was killed after two epochs
        files = EventFiles()
        files.on_summary(begun)
        for number in numbers:
            files.on_event("torch", {"event": "epoch", "phase": "train", **epochs[number]})
        files.close()
    files = EventFiles()
    files.on_summary(summary)
    files.on_summary(summary)
    files.close()
    found = points(folder / "tensorboard" / "torch")
    assert [step for step, _ in found["epoch/train loss"]] == [1, 2, 3, 4]
    assert len(list((folder / "tensorboard" / "torch").iterdir())) == 1


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "a", variants=("numpy",), diverged=("numpy",))
    write(read_comparison(folder).summary)
    assert np.isnan(points(folder / "tensorboard" / "numpy")["epoch/train loss"][-1][1])


def test_no_framework_is_imported(folder: Path) -> None:
    code = (
        "import sys; from d2ldrop.page.event_files import EventFiles\n"
        "from d2ldrop.page.results import read_comparison\n"
        "files = EventFiles(); files.on_summary(read_comparison(sys.argv[1]).summary)\n"
        "files.close()\n"
        "print([name for name in ('tensorflow', 'torch', 'jax') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_tensorboard_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(ImportError, match=r'pip install "d2ldrop\[tensorboard\]"'):
        EventFiles()


def test_a_disk_that_fails_costs_only_the_event_files(folder: Path) -> None:
    observers = Observers([EventFiles()])
    (folder / "tensorboard").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="EventFiles has failed"):
        observers.on_summary(read_comparison(folder).summary)
    observers.on_summary(read_comparison(folder).summary)  # no second warning
