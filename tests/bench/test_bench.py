"""The benchmarks run, and measure what they say; how fast anything is, no test asserts."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop import load_data
from d2ldrop.backend import Backend
from d2ldrop.bench import bench, report
from d2ldrop.bench.products import step_of_products
from d2ldrop.bench.timing import in_turn, ratios, repeats, spread
from d2ldrop.core.randomness import dropout_mask, initial_weights
from d2ldrop.core.recipe import Recipe
from d2ldrop.processes.options import WorkerOptions
from tests.cli.test_cli import d2ldrop

Module = Backend[Any]
SMALL = ("--dataset", "stand-in", "--train-size", "600", "--test-size", "100", "--rounds", "2")


def peers_of(backend_name: str) -> Any:
    return __import__(f"d2ldrop.bench.on_{backend_name}", fromlist=["trainers"])


def test_contenders_take_turns_after_a_warm_up() -> None:
    ticks = count()
    rounds: list[int] = []

    def contender() -> float:
        return float(next(ticks))

    timings = in_turn({"A": contender, "B": contender}, 3, rounds.append)
    assert timings == {"A": [2, 4, 6], "B": [3, 5, 7]}
    assert rounds == [0, 1, 2, 3]


def test_statistics() -> None:
    assert spread([3.0, 1.0, 2.0, 5.0, 4.0]) == (2, 3, 4)
    assert spread([7.0]) == (7, 7, 7)
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2, 3]
    assert repeats(lambda: sum(range(1000)), 0.01) > 1


def test_the_floor_is_the_quickest_path() -> None:
    timings = {"products: a": [3.0, 3.0, 1.0], "products: b": [2.0, 2.0, 2.0], "d2ldrop": [1.0]}
    assert report.floor_of(timings) == "products: b"


def test_the_products_are_a_steps() -> None:
    rng = np.random.default_rng(0)
    X, W1, W2, W3 = (rng.normal(size=s) for s in ((5, 7), (7, 4), (4, 3), (3, 2)))
    calls = []

    def matmul(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
        calls.append((a, b))
        return (a.T if transpose_a else a) @ (b.T if transpose_b else b)

    dW3, dW2, dW1 = step_of_products(matmul, X, (W1, W2, W3))
    assert [d.shape for d in (dW1, dW2, dW3)] == [W.shape for W in (W1, W2, W3)]
    assert len(calls) == 8
    np.testing.assert_allclose(dW1, X.T @ (X @ W1 @ W2 @ W3 @ W3.T @ W2.T))


@pytest.mark.parametrize("backward", [False, True])
def test_both_dropouts_drop_alike(backend: Module, backend_name: str, backward: bool) -> None:
    peers = peers_of(backend_name)
    X = backend.from_numpy(np.ones((300, 300), np.float32))
    own = (peers.own_forward_backward if backward else peers.own_dropout)(X, 0.2)
    values = np.asarray(backend.to_numpy(own))
    # For ones the gradient of ones drops once more in NumPy's by hand: the same mask.
    kept = values[values != 0]
    assert abs(kept.size / values.size - 0.8) < 0.02
    np.testing.assert_allclose(kept, 1.25**2 if backend_name == "numpy" and backward else 1.25)


def test_ours_is_the_shared_stream(backend: Module, backend_name: str) -> None:
    peers = peers_of(backend_name)
    X = backend.from_numpy(np.ones((30, 40), np.float32))
    gradient = np.asarray(backend.to_numpy(peers.forward_backward(X, 0.2, 3)))
    mask = dropout_mask((30, 40), 0.2, seed=0, step=3)
    np.testing.assert_array_equal(gradient != 0, mask)


@pytest.mark.filterwarnings("ignore")  # the usual trainers' own, of mxnet and paddle
def test_every_path_and_every_trainer_runs(backend: Module, backend_name: str) -> None:
    peers, recipe = peers_of(backend_name), Recipe(num_hiddens=(16, 12), batch_size=100)
    weights = initial_weights(0, recipe.sizes, "float32")
    rng = np.random.default_rng(0)
    X, y = rng.random((300, 784), np.float32), rng.integers(0, 10, 300)
    paths = peers.product_paths(X, [weights[name] for name in ("W1", "W2", "W3")], 100)
    # Lightning changes the process: warning filters, loggers. The command runs it in a worker.
    trainers = {k: v for k, v in peers.trainers(X, y, recipe).items() if k != "Lightning"}
    assert paths
    assert bool(trainers) == (backend_name != "numpy")
    for run in (*paths.values(), *trainers.values()):
        run()


@pytest.mark.parametrize(
    "kind", ["train", "startup", "layer", pytest.param("growth", marks=pytest.mark.slow)]
)
def test_the_command(tmp_path: Path, kind: str) -> None:
    options = (*SMALL, "--out", str(tmp_path), "--name", "b")
    out, err = d2ldrop("bench", kind, "numpy", *options)
    assert "NumPy" in out
    assert "medians [quartiles] of 2 rounds" in " ".join(out.split()) or kind == "startup"
    summary = json.loads((tmp_path / "b" / "bench.json").read_text())
    row = summary["backends"]["numpy"]
    if kind == "train":
        assert set(row["timings"]) == {"products: np.dot", "d2ldrop"}
        assert all(len(values) == 2 for values in row["timings"].values())
        assert row["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert (tmp_path / "b" / "bench.png").stat().st_size > 10_000
    _, err = d2ldrop("bench", kind, "numpy", *options, status=2)
    assert "holds a benchmark: choose another folder (--name)" in err


def test_bad_input_is_refused(tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "runs"))
    assert "unknown backend 'numpi'" in d2ldrop("bench", "train", "numpi", *out, status=2)[1]
    assert "'trian' is not one of" in d2ldrop("bench", "trian", *out, status=2)[1]
    err = d2ldrop("bench", "train", "numpy", "--rounds", "0", *out, status=2)[1]
    assert "rounds must be a number of rounds from 1 to 1,000, got 0" in err
    assert not (tmp_path / "runs").exists()


def test_a_framework_that_does_not_start_is_a_row_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise subprocess.CalledProcessError(1, ["python", "-c", "import numpy"])

    monkeypatch.setattr(bench, "startup", broken)
    events: list[str] = []
    summary = bench.run_benchmark(
        "startup",
        ["numpy"],
        load_data("stand-in", train_size=10, test_size=10),
        rounds=1,
        options=WorkerOptions(timeout=60),
        folder=tmp_path,
        on_event=lambda name, event: events.append(f"{name} {event['event']}"),
    )
    assert "import numpy" in summary["backends"]["numpy"]["error"]
    assert events == ["numpy failed"]
    assert report.remarks(summary)[-1].startswith("NumPy failed: ")
