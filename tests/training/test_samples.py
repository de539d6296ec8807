"""What a trained framework shows is recorded, checked, and never fails a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop import Dataset, Recipe, Run, load_data, train
from d2ldrop.core.files import DamagedFileError
from d2ldrop.core.randomness import dropout_mask
from d2ldrop.training import samples
from d2ldrop.training.samples import SAMPLES, read_samples, record_samples, take_samples
from tests.training.runs import RECIPE

DATA = load_data("stand-in", train_size=100, test_size=60)


def trained(folder: Path | None = None, data: Dataset = DATA, **changes: Any) -> Run:
    recipe = Recipe(**{**RECIPE.to_dict(), "num_epochs": 1, **changes})
    return train("numpy", recipe, data=data, folder=folder)


def digest_of(folder: Path) -> str:
    digest: str = json.loads((folder / "result.json").read_text())["digest"]
    return digest


def test_what_is_recorded_is_read_again(tmp_path: Path) -> None:
    run = trained(tmp_path)
    record_samples(tmp_path, run, DATA)
    found, taken = read_samples(tmp_path, digest_of(tmp_path)), take_samples(run, DATA)
    assert found is not None
    assert found.mean is not None
    assert found.std is not None
    np.testing.assert_array_equal(found.mean, taken.mean)
    np.testing.assert_array_equal(found.std, taken.std)
    np.testing.assert_allclose(found.mean.sum(axis=1), 1)
    assert list(found.labels) == sorted(set(DATA.test_labels))
    for image, label in zip(found.images, found.labels, strict=True):
        first = list(DATA.test_labels).index(label)
        np.testing.assert_array_equal(image, DATA.test_images[first].ravel())


def test_masks_are_those_of_the_first_step() -> None:
    run = trained(batch_size=32)
    for site, mask in enumerate(take_samples(run, DATA).masks):
        shape = (32, run.recipe.num_hiddens[site])
        expected = dropout_mask(shape, run.recipe.dropout[site], seed=0, step=0, site=site)
        np.testing.assert_array_equal(mask, expected)


def test_a_batch_is_not_larger_than_the_data() -> None:
    assert take_samples(trained(batch_size=256), DATA).masks[0].shape[0] == 100


def test_a_mask_of_odd_size_survives(tmp_path: Path) -> None:
    run = trained(tmp_path, num_hiddens=[5, 3], batch_size=7)
    record_samples(tmp_path, run, DATA)
    found = read_samples(tmp_path, digest_of(tmp_path))
    assert found is not None
    for mask, expected in zip(found.masks, take_samples(run, DATA).masks, strict=True):
        np.testing.assert_array_equal(mask, expected)


def test_own_masks_are_not_recorded() -> None:
    found = take_samples(trained(rng="native"), DATA)
    assert found.masks == ()
    assert found.mean is not None


def test_large_masks_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "LARGEST_MASK", 32 * 16 - 1)
    assert take_samples(trained(batch_size=32, num_hiddens=[16, 8]), DATA).masks == ()


def test_the_original_form_is_predicted_with_scaled_weights() -> None:
    # Layer 1 keeps all units and layer 2 half of them, so only W3 is scaled.
    original = trained(scaling="original", dropout=[0.0, 0.5], lr=0.1)
    scaled = take_samples(original, DATA)
    original.weights["W3"] *= 0.5
    inverted = Run(trained(dropout=[0.0, 0.5], lr=0.1).identity, original.weights)
    np.testing.assert_allclose(scaled.mean, take_samples(inverted, DATA).mean)  # type: ignore[arg-type]  # not None here


def test_a_run_that_diverged_has_masks_but_no_predictions() -> None:
    run = trained()
    run.weights["W1"][:] = np.nan
    found = take_samples(run, DATA)
    assert found.mean is None
    assert len(found.masks) == 2


@pytest.mark.parametrize("changes", [{"noise": "gaussian"}, {"noise": "none"}])
def test_other_noises_have_no_file(tmp_path: Path, changes: dict[str, Any]) -> None:
    record_samples(tmp_path, trained(tmp_path, **changes), DATA)
    assert not (tmp_path / SAMPLES).exists()
    assert read_samples(tmp_path, digest_of(tmp_path)) is None


def test_an_error_of_the_framework_does_not_fail_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    run = trained(tmp_path)
    monkeypatch.setattr(samples, "take_samples", fail)
    problem = record_samples(tmp_path, run, DATA)
    assert problem == "its samples for the page are not recorded: RuntimeError: out of memory"
    assert "RuntimeError: out of memory" in capsys.readouterr().err
    assert not (tmp_path / SAMPLES).exists()


def test_a_file_of_another_run_is_replaced(tmp_path: Path) -> None:
    run = trained(tmp_path)
    samples.write_samples(tmp_path, take_samples(run, DATA), "another digest")
    with pytest.raises(DamagedFileError, match=r"samples\.safetensors is of another run"):
        read_samples(tmp_path, digest_of(tmp_path))
    record_samples(tmp_path, run, DATA)
    assert read_samples(tmp_path, digest_of(tmp_path)) is not None


@pytest.mark.parametrize("place", [10, 200, -20])
def test_a_changed_byte_is_found(tmp_path: Path, place: int) -> None:
    record_samples(tmp_path, trained(tmp_path), DATA)
    content = bytearray((tmp_path / SAMPLES).read_bytes())
    content[place] ^= 1
    (tmp_path / SAMPLES).write_bytes(content)
    with pytest.raises(DamagedFileError, match="samples"):
        read_samples(tmp_path, digest_of(tmp_path))
