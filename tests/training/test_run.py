"""The identity and the results of a run, and their JSON."""

from __future__ import annotations

import json
import sys

import pytest

from d2ldrop import Recipe, load_data
from d2ldrop.core.machine import NUMERIC_VARIABLES
from d2ldrop.training.run import RunIdentity, expected_identity
from tests.training.runs import RECIPE, small_run


def test_a_run_has_the_fields_of_its_identity() -> None:
    run = small_run("numpy")
    assert (run.backend, run.implementation, run.recipe) == ("numpy", "scratch", RECIPE)
    assert (run.dataset, run.train_size, run.test_size) == ("stand-in", 150, 50)
    assert run.device == "cpu"
    assert run.framework_version == sys.modules["numpy"].__version__
    assert len(run.dataset_sha256) == 64
    assert run.machine["cores"] >= 1
    assert run.environment == run.identity.environment


def test_json_preserves_an_identity() -> None:
    identity = small_run("numpy", record=("activations",)).identity
    assert RunIdentity.from_dict(json.loads(json.dumps(identity.to_dict()))) == identity
    assert identity.to_dict()["seed"] == 0
    assert identity.to_dict()["dtype"] == "float32"


def test_missing_fields_take_their_defaults() -> None:
    whole = small_run("numpy").identity.to_dict()
    old = {
        name: whole[name]
        for name in ("backend", "framework_version", "device", "dataset", "dataset_sha256",
                     "train_size", "test_size")
    }  # fmt: skip
    recipe = {"lr": 0.25}
    identity = RunIdentity.from_dict({**old, "recipe": recipe, "activations": []})
    assert identity.recipe == Recipe(lr=0.25)
    assert identity.implementation == "scratch"
    assert identity.record == ("activations",)
    assert identity.environment is None
    assert "environment" not in identity.deciding()


def test_the_expected_identity_equals_that_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    environment = {"OPENBLAS_CORETYPE": "Haswell", "HOME": "/home"}
    for name in NUMERIC_VARIABLES:
        if name not in environment:
            monkeypatch.delenv(name, raising=False)
    data = load_data("stand-in", train_size=150, test_size=50)
    known = expected_identity("numpy", RECIPE, "scratch", (), "cpu", environment)
    assert "dataset_sha256" not in known
    whole = expected_identity("numpy", RECIPE, "scratch", (), "cpu", environment, data)
    deciding = small_run("numpy").identity.deciding()
    assert known.items() <= whole.items() <= deciding.items()
    assert deciding.keys() - whole.keys() == {
        "framework_version", "numpy_version", "d2ldrop_version",
    }  # fmt: skip
    assert whole["environment"]["OPENBLAS_CORETYPE"] == "Haswell"
    assert whole["environment"]["OMP_NUM_THREADS"] is None
