"""The measurements that a worker makes: ``BenchmarkJob`` chooses one by the benchmark's kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from d2ldrop.backend import Backend, get_backend
from d2ldrop.bench.machine import machine_of_worker
from d2ldrop.bench.peers import Peers, get_peers
from d2ldrop.bench.timing import in_turn, repeats, seconds
from d2ldrop.core.randomness import initial_weights
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset, to_network
from d2ldrop.frameworks import framework
from d2ldrop.layer import dropout_layer
from d2ldrop.processes.jobs import Emit, Job
from d2ldrop.processes.shared_data import SharedData
from d2ldrop.training.loop import (
    begin_epoch,
    begin_run,
    peak_rss_bytes,
    train_chunks,
    train_epochs,
)

BATCH_SIZES = (16, 64, 256, 1024, 4096, 16384)
WIDTHS = (64, 256, 1024, 4096)


@dataclass(frozen=True)
class BenchmarkJob(Job):
    """Measure one framework. Report "step" during the work and "figures" at the end.

    Attributes:
        kind: "train", "layer" or "growth".
        rounds: the number of timings per contender.
        shared: the images.
    """

    kind: str
    rounds: int
    shared: SharedData

    def run(self, emit: Emit) -> None:
        """Measure, and report the figures."""
        figures = MEASUREMENTS[self.kind](self, partial(emit, "step", phase="benchmark"))
        emit("figures", **figures, machine=machine_of_worker(self.backend))


OnProgress = Callable[..., None]
"""Called with ``done`` and ``total``: the finished and all parts of the measurement."""


def measure_training(job: BenchmarkJob, on_progress: OnProgress) -> dict[str, Any]:
    """Time an epoch of d2ldrop's trainer, of the usual trainers, and of the products alone.

    A framework without peers has neither products nor usual trainers.
    "memory_over_import_bytes" is the peak memory after one epoch minus the peak after the import.
    """
    # One epoch measures memory, one is the warm-up, and the others are timed.
    recipe = replace(Recipe(), num_epochs=job.rounds + 2)
    peers = get_peers(job.backend)
    before = peak_rss_bytes()
    module, run, data = begin_run(job.backend, recipe, data=job.shared.load())
    epochs = train_epochs(module, run, data)
    next(epochs)
    memory = peak_rss_bytes() - before
    X = to_network(data.train_images, recipe.dtype)
    y = data.train_labels.astype(np.int64)
    weights = [run.weights[name].copy() for name in ("W1", "W2", "W3")]
    products: dict[str, Callable[[], float]] = {}
    usual: dict[str, Callable[[], float]] = {}
    if peers is not None:
        paths = peers.product_paths(X, weights, recipe.batch_size)
        products = {f"products: {name}": _timed(path) for name, path in paths.items()}
        usual = {name: _timed(epoch) for name, epoch in peers.trainers(X, y, recipe).items()}
    ours: dict[str, Callable[[], float]] = {"d2ldrop": lambda: next(epochs).seconds}
    timings = in_turn(
        products | ours | usual,
        job.rounds,
        lambda number: on_progress(done=number + 1, total=job.rounds + 1),
    )
    return {
        "timings": timings,
        "memory_over_import_bytes": memory,
        "train_loss": run.history[-1].train_loss,
    }


def measure_layer(job: BenchmarkJob, on_progress: OnProgress) -> dict[str, Any]:
    """Time ``dropout_layer`` with shared masks, and the framework's own dropout.

    Only peers take gradients, so for a framework without them the forward pass alone is timed.
    """
    peers, backend = get_peers(job.backend), get_backend(job.backend)
    results = []
    directions = (False, True) if peers else (False,)
    cases = [(n, p, both) for n in (256, 4096) for p in (0.2, 0.5) for both in directions]
    for done, (n, p, both) in enumerate(cases, start=1):
        X = backend.from_numpy(np.random.default_rng(0).random((n, n), dtype=np.float32))
        contenders = _layers(peers, backend, X, p, both)
        timings = in_turn({name: _timed(f) for name, f in contenders.items()}, job.rounds)
        results.append({"n": n, "dropout": p, "backward": both, "timings": timings})
        on_progress(done=done, total=len(cases))
    return {"cases": results}


def _layers(
    peers: Peers | None, backend: Backend[Any], X: Any, p: float, backward: bool
) -> dict[str, Callable[[], object]]:
    """Return the contenders of one case; each waits for its result."""
    steps = count()
    if peers is None:  # to_numpy waits, because it returns values
        return {"d2ldrop": lambda: backend.to_numpy(dropout_layer(X, p, seed=0, step=next(steps)))}
    forward = partial(dropout_layer, seed=0)
    ours = peers.forward_backward if backward else forward
    own = peers.own_forward_backward if backward else peers.own_dropout
    return {
        "d2ldrop": lambda: peers.synchronise(ours(X, p, step=next(steps))),
        "own": lambda: peers.synchronise(own(X, p)),
    }


def measure_growth(job: BenchmarkJob, on_progress: OnProgress) -> dict[str, Any]:
    """Measure the seconds per image by batch size, by hidden width and by dtype."""
    data = job.shared.load()
    plain = Recipe()
    varied = [
        *(
            ("batch_size", n, replace(plain, batch_size=n))
            for n in BATCH_SIZES
            if n <= len(data.train_images)
        ),
        *(("num_hiddens", n, replace(plain, num_hiddens=(n, n))) for n in WIDTHS),
    ]
    dtypes = [d for d in ("float32", "float64") if d in framework(job.backend).dtypes]
    cases = [(dtype, *case) for dtype in dtypes for case in varied]
    results = []
    for done, (dtype, what, value, recipe) in enumerate(cases, start=1):
        steps = _endless_steps(job.backend, replace(recipe, dtype=dtype), data)
        next(steps)  # warm-up; a compiled step is traced here
        number = repeats(partial(_seconds_per_step, steps, 1), 0.3)
        timings = [_seconds_per_step(steps, number) for _ in range(job.rounds)]
        results.append(
            {
                "dtype": dtype,
                "what": what,
                "value": value,
                "seconds_per_image": [seconds / recipe.batch_size for seconds in timings],
            }
        )
        on_progress(done=done, total=len(cases))
    return {"cases": results}


def _seconds_per_step(steps: Iterator[int], number: int) -> float:
    """Return the seconds per step, averaged over ``number`` chunks of steps."""
    start = time.perf_counter()
    taken = sum(next(steps) for _ in range(number))
    return (time.perf_counter() - start) / taken


def _endless_steps(backend: str, recipe: Recipe, data: Dataset) -> Iterator[int]:
    """Train on whole batches, epoch after epoch; yield the number of steps of each chunk.

    The steps of a chunk are finished when it is yielded.
    """
    whole = len(data.train_images) // recipe.batch_size * recipe.batch_size
    data = replace(
        data, train_images=data.train_images[:whole], train_labels=data.train_labels[:whole]
    )
    weights = initial_weights(recipe.seed, recipe.sizes, recipe.dtype)
    for epoch in count():
        model = begin_epoch(backend, "scratch", weights, recipe, 0)
        for steps, _ in train_chunks(model, data, recipe, epoch):
            yield len(steps)


MEASUREMENTS: dict[str, Callable[[BenchmarkJob, OnProgress], dict[str, Any]]] = {
    "train": measure_training,
    "layer": measure_layer,
    "growth": measure_growth,
}


def _timed(function: Callable[[], object]) -> Callable[[], float]:
    """Return a contender that times one call; short calls are repeated to be measurable."""
    number = 0

    def contender() -> float:
        nonlocal number
        number = number or repeats(function)
        return seconds(function, number)

    return contender
