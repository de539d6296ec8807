"""What a worker measures."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from d2ldrop.backend import get_backend
from d2ldrop.bench.machine import machine
from d2ldrop.bench.timing import in_turn, repeats, seconds
from d2ldrop.core.randomness import initial_weights
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset, to_network
from d2ldrop.layer import dropout_layer
from d2ldrop.processes.jobs import Emit, Job
from d2ldrop.processes.shared_data import SharedData
from d2ldrop.training.implementations import make_model
from d2ldrop.training.loop import begin_run, peak_rss_bytes, train_epochs, train_steps

BATCH_SIZES = (16, 64, 256, 1024, 4096, 16384)
WIDTHS = (64, 256, 1024, 4096)


@dataclass(frozen=True)
class BenchmarkJob(Job):
    """Measure one ``kind``: "train", "layer" or "growth"; reports "step" and "figures"."""

    kind: str
    shared: SharedData
    rounds: int

    def run(self, emit: Emit) -> None:
        """Measure."""
        {"train": train, "layer": layer, "growth": growth}[self.kind](self, emit)


def train(job: BenchmarkJob, emit: Emit) -> None:
    """An epoch of this project's trainer, of the usual trainers, and of the products alone."""
    # One epoch by itself, for what memory it takes; then one to warm up, and the rounds.
    recipe = replace(Recipe(), num_epochs=job.rounds + 2)
    peers = _peers(job)
    before = peak_rss_bytes()
    module, run, data = begin_run(job.backend, recipe, data=job.shared.load())
    epochs = train_epochs(module, run, data)
    next(epochs)
    memory = peak_rss_bytes() - before
    contenders: dict[str, Callable[[], float]] = {"d2ldrop": lambda: next(epochs).seconds}
    X = to_network(data.train_images, recipe.dtype)
    y = data.train_labels.astype(np.int64)
    weights = [run.weights[name].copy() for name in ("W1", "W2", "W3")]
    products = {
        f"products: {name}": _timed(path)
        for name, path in peers.product_paths(X, weights, recipe.batch_size).items()
    }
    usual = {name: _timed(epoch) for name, epoch in peers.trainers(X, y, recipe).items()}
    timings = in_turn(products | contenders | usual, job.rounds, _on_round(emit, job.rounds))
    emit(
        "figures",
        timings=timings,
        machine=machine(job.backend),
        memory_over_import_bytes=memory,
        train_loss=run.history[-1].train_loss,
    )


def layer(job: BenchmarkJob, emit: Emit) -> None:
    """Elements a second of ``dropout_layer``, shared stream, and of the framework's own."""
    peers, backend = _peers(job), get_backend(job.backend)
    results = []
    cases = [(n, p, both) for n in (256, 4096) for p in (0.2, 0.5) for both in (False, True)]
    for done, (n, p, both) in enumerate(cases):
        X = backend.from_numpy(np.random.default_rng(0).random((n, n), dtype=np.float32))
        steps = count()

        def ours(X: Any = X, p: float = p, both: bool = both, steps: Any = steps) -> None:
            step = next(steps)
            if both:
                Y = peers.forward_backward(X, p, step)
            else:
                Y = dropout_layer(X, p, seed=0, step=step)
            peers.synchronise(Y)

        def own(X: Any = X, p: float = p, both: bool = both) -> None:
            peers.synchronise((peers.own_forward_backward if both else peers.own_dropout)(X, p))

        contenders = {"d2ldrop": _timed(ours), "own": _timed(own)}
        timings = in_turn(contenders, job.rounds)
        results.append({"n": n, "dropout": p, "backward": both, "timings": timings})
        emit("step", phase="benchmark", done=done + 1, total=len(cases))
    emit("figures", cases=results, machine=machine(job.backend))


def growth(job: BenchmarkJob, emit: Emit) -> None:
    """Seconds an image by batch size, by hidden width and by dtype."""
    data, backend = job.shared.load(), get_backend(job.backend)
    plain = Recipe()
    recipes = [
        *(replace(plain, batch_size=n) for n in BATCH_SIZES if n <= len(data.train_images)),
        *(replace(plain, num_hiddens=(n, n)) for n in WIDTHS),
    ]
    cases = [replace(recipe, dtype=dtype) for dtype in ("float32", "float64") for recipe in recipes]
    results = []
    for done, recipe in enumerate(cases):
        by_batch = done % len(recipes) < len(recipes) - len(WIDTHS)
        steps = _endless_steps(job, recipe, backend, data)
        next(steps)  # warms up, and traces

        def take(number: int, steps: Iterator[Any] = steps) -> float:
            """Seconds a step, over ``number`` calls of the model."""
            begun, taken = time.perf_counter(), 0
            for _ in range(number):
                numbers, _, logits = next(steps)
                taken += len(numbers)
                backend.to_numpy(logits)
            return (time.perf_counter() - begun) / taken

        number = repeats(partial(take, 1), 0.3)
        timings = [take(number) for _ in range(job.rounds)]
        results.append(
            {
                "dtype": recipe.dtype,
                "what": "batch_size" if by_batch else "num_hiddens",
                "value": recipe.batch_size if by_batch else recipe.num_hiddens[0],
                "seconds_per_image": [t / recipe.batch_size for t in timings],
            }
        )
        emit("step", phase="benchmark", done=done + 1, total=len(cases))
    emit("figures", cases=results, machine=machine(job.backend))


def _endless_steps(job: BenchmarkJob, recipe: Recipe, backend: Any, data: Dataset) -> Iterator[Any]:
    """Steps on whole batches, epoch after epoch."""
    whole = len(data.train_images) // recipe.batch_size * recipe.batch_size
    data = replace(
        data, train_images=data.train_images[:whole], train_labels=data.train_labels[:whole]
    )
    weights = initial_weights(recipe.seed, recipe.sizes, recipe.dtype)
    for epoch in count():
        model = make_model("scratch", backend, weights, recipe, 0, "cpu")
        yield from train_steps(model, data, recipe, epoch)


def _peers(job: BenchmarkJob) -> Any:
    get_backend(job.backend)
    return importlib.import_module(f"d2ldrop.bench.on_{job.backend}")


def _timed(function: Callable[[], object]) -> Callable[[], float]:
    """One call's seconds; a quick function is called until it can be timed."""
    number = 0

    def contender() -> float:
        nonlocal number
        number = number or repeats(function)
        return seconds(function, number)

    return contender


def _on_round(emit: Emit, rounds: int) -> Callable[[int], None]:
    return lambda number: emit("step", phase="benchmark", done=number + 1, total=rounds + 1)
