"""The training loop of all backends: batches, noise, steps and metrics.

A backend does the framework's part. Everything here is the same for all backends. They also share
the initial weights, the batch order and the masks, which come from ``core.randomness``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.backend import Backend, check_device, get_backend, get_train_steps
from d2ldrop.core.arrays import Weights
from d2ldrop.core.randomness import batch_order, initial_weights
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset, DataSource, as_dataset, to_network
from d2ldrop.training.divergence import (
    check_on_divergence,
    losses_of_finite_logits,
    no_overflow_warnings,
)
from d2ldrop.training.folder import RunFolder
from d2ldrop.training.implementations import Chunk, Model, Trained, make_model, recipe_for
from d2ldrop.training.layer_statistics import check_record, hidden_statistics
from d2ldrop.training.run import EpochResult, Run, RunIdentity

OnStep = Callable[[int, int], None]
OnEpoch = Callable[[EpochResult], None]
CHUNK = 18 * 256
"""Images in one chunk of steps: with the book's batch size an epoch is 13 chunks and a remainder.

The results of a chunk are read together at its end. Reading each loss after its step would make
Python wait for the device. Reading nothing would let MXNet queue a whole epoch in memory."""


def train(
    backend: str,
    recipe: Recipe | None = None,
    *,
    implementation: str = "scratch",
    data: Dataset | DataSource | str = "auto",
    device: str = "cpu",
    folder: Path | str | None = None,
    resume: bool = False,
    record: Sequence[str] = (),
    on_divergence: str = "continue",
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
) -> Run:
    """Train the dropout MLP (D2L 4.6) on one framework.

    With ``rng="native"`` every epoch seeds the framework's own generator, which is global in most
    frameworks. Otherwise no generator of a framework is used.

    Args:
        backend: the framework's import name: "numpy", "torch", "tensorflow", "mxnet", "paddle" or
            "jax".
        recipe: the hyper-parameters; the book's if not given.
        implementation: "scratch" (the book's functions) or "concise" (the framework's own layers
            and optimiser). Concise layers draw their own masks, so ``rng`` becomes "native".
        data: a Dataset, a DataSource, or a dataset's name: "auto", "fashion-mnist" or "stand-in".
        device: "cpu", "gpu" or "gpu:N".
        folder: the folder of the run (docs/run-folder.md). Without it nothing is written. After
            each epoch a checkpoint is written, from which a killed run can be resumed.
        resume: continue the run in ``folder``; a finished run is returned unchanged.
        record: ("activations",) records statistics of the hidden layers after each epoch in
            ``Run.activations`` (see ``d2ldrop.training.layer_statistics``).
        on_divergence: "continue" trains a diverged run to its end. "stop" ends it soon after the
            first loss that is not finite; the last epoch then covers the steps taken.
        on_step: called after each step with the number of steps done and the total number.
        on_epoch: called with each epoch's result.

    Returns:
        The run: ``history`` (one EpochResult per epoch), ``weights`` (W1 (784, h1), b1 (h1,), …),
        ``trace`` (the loss of every step in nats, float64), ``diverged_after`` (the number of steps
        before the first loss that is not finite; None if all are finite).

    Raises:
        ValueError: an unknown backend, dataset, device, record or on_divergence, an implementation
            that does not support the recipe, or the folder of another run.
        FileExistsError: ``folder`` already contains a run, and ``resume`` is False.
        FolderInUseError: another process trains into ``folder``.
        ImportError: the framework is not installed, or cannot be loaded into this process.
        TypeError: the framework lacks the recipe's dtype here: JAX needs a setting for float64.
        DataError: the data were not found, or a file is corrupt.
    """
    run_folder = RunFolder(Path(folder)) if folder is not None else None
    if run_folder and not resume:
        run_folder.refuse_overwrite()
    module, run, data = begin_run(
        backend,
        recipe,
        implementation=implementation,
        data=data,
        device=device,
        record=record,
        on_divergence=on_divergence,
    )
    with run_folder.claim(run, resume=resume) if run_folder else nullcontext():
        for result in train_epochs(module, run, data, on_step):
            if run_folder:
                run_folder.save_checkpoint(run)
            if on_epoch:
                on_epoch(result)
        if run_folder and not run_folder.result.exists():
            run_folder.save(run)
    return run


def begin_run(
    backend: str,
    recipe: Recipe | None = None,
    *,
    implementation: str = "scratch",
    data: Dataset | DataSource | str = "auto",
    device: str = "cpu",
    record: Sequence[str] = (),
    on_divergence: str = "continue",
) -> tuple[Backend[Any], Run, Dataset]:
    """Prepare a run: return the backend, a run with initial weights and no epochs, and the data.

    Arguments and errors are those of ``train``.
    """
    recipe = recipe_for(backend, recipe or Recipe(), implementation)
    record, on_divergence = check_record(record), check_on_divergence(on_divergence)
    module = get_backend(backend)
    device = check_device(module, backend, device)
    module.from_numpy(np.zeros(1, recipe.dtype), device)  # JAX may refuse the dtype: not later
    data = as_dataset(data)
    identity = RunIdentity.here(
        backend,
        recipe,
        data,
        implementation=implementation,
        device=device,
        record=record,
        on_divergence=on_divergence,
    )
    run = Run(
        identity,
        initial_weights(recipe.seed, recipe.sizes, recipe.dtype),
        activations=[] if "activations" in record else None,
    )
    return module, run, data


def train_epochs(
    backend: Backend[Any], run: Run, data: Dataset, on_step: OnStep | None = None
) -> Iterator[EpochResult]:
    """Train the remaining epochs of ``run``; update ``run`` and yield a result after each.

    A run that stops on divergence ends early; its last epoch covers the steps taken.
    """
    recipe = run.recipe
    test_X = to_network(data.test_images, recipe.dtype)
    for epoch in range(len(run.history), recipe.num_epochs):
        if run.stops:
            return
        start = time.perf_counter()
        model = begin_epoch(run.backend, run.implementation, run.weights, recipe, epoch, run.device)
        losses, predicted = [], []
        for steps, trained in train_chunks(model, data, recipe, epoch):
            losses.append(trained.losses)
            predicted.append(trained.logits.argmax(axis=-1).ravel())
            if on_step:
                for step in steps:
                    on_step(step + 1, recipe.num_epochs * steps_per_epoch(data, recipe))
            if run.identity.on_divergence == "stop" and not np.isfinite(trained.losses).all():
                break
        seconds = time.perf_counter() - start

        trace, classes = np.concatenate(losses), np.concatenate(predicted)
        order = batch_order(recipe.seed, epoch, len(data.train_labels))
        labels = data.train_labels[order[: len(classes)]]
        sizes = np.diff(np.r_[0 : len(labels) : recipe.batch_size, len(labels)])
        run.trace = np.concatenate([run.trace, trace])
        run.weights = model.weights()
        run.history.append(
            EpochResult(
                epoch=epoch + 1,
                train_loss=float(np.average(trace, weights=sizes)),
                train_accuracy=float(np.mean(classes == labels)),
                test_accuracy=_accuracy(_predict(model, test_X), data.test_labels),
                seconds=seconds,
            )
        )
        if run.activations is not None:
            last_step = len(run.trace) - 1
            with no_overflow_warnings():
                statistics = hidden_statistics(run.weights, test_X, recipe, epoch, last_step)
            run.activations.append(statistics)
        run.peak_rss_bytes = peak_rss_bytes()
        yield run.history[-1]


def begin_epoch(
    backend: str,
    implementation: str,
    weights: Weights,
    recipe: Recipe,
    epoch: int,
    device: str = "cpu",
) -> Model:
    """The model of one epoch (from 0) on one framework, starting from ``weights``."""
    return make_model(
        implementation,
        get_backend(backend),
        get_train_steps(backend),
        weights,
        recipe,
        epoch,
        device,
    )


def steps_per_epoch(data: Dataset, recipe: Recipe) -> int:
    """The number of batches in one epoch; the last batch may be smaller."""
    return -(-len(data.train_images) // recipe.batch_size)


def train_chunks(
    model: Model,
    data: Dataset,
    recipe: Recipe,
    epoch: int,
    num_steps: int | None = None,
    alone: int = 0,
) -> Iterator[tuple[range, Trained]]:
    """Train one epoch, or its first ``num_steps`` steps, chunk by chunk.

    Each of the first ``alone`` steps is a chunk.

    Yields the numbers of the steps, counted from the first step of the run, and their results.
    """
    order, n = batch_order(recipe.seed, epoch, len(data.train_images)), recipe.batch_size
    total = steps_per_epoch(data, recipe)
    end = total if num_steps is None else min(num_steps, total)
    whole = min(end, len(order) // n)  # batches of n images; the last batch may be smaller
    size = max(1, CHUNK // n)
    bounds = {*range(min(alone, whole)), *range(alone, whole, size), whole, end}
    for first, stop in pairwise(sorted(bounds)):
        rows = order[first * n : stop * n].reshape(stop - first, -1)
        steps = range(epoch * total + first, epoch * total + stop)
        labels = data.train_labels[rows].astype(np.int64)
        with no_overflow_warnings():
            trained = model.train(Chunk(steps, data.train_images[rows], labels))
        losses = losses_of_finite_logits(trained.losses, trained.logits)
        yield steps, trained._replace(losses=losses)


def evaluate(
    weights: Weights,
    backend: str,
    data: Dataset | DataSource | str = "auto",
    *,
    device: str = "cpu",
) -> tuple[float, float]:
    """Mean softmax cross-entropy and accuracy of weights on the test images, without dropout.

    Raises:
        ValueError, ImportError, DataError: as in ``train``.
    """
    module = get_backend(backend)
    device = check_device(module, backend, device)
    data = as_dataset(data)
    params = module.init_params(list(weights.values()), device)
    X = module.from_numpy(to_network(data.test_images, str(weights["W1"].dtype)), device)
    y = module.from_numpy(data.test_labels.astype(np.int64), device)
    logits = module.predict(params, X)
    loss = float(module.to_numpy(module.cross_entropy(logits, y)))
    return loss, _accuracy(module.to_numpy(logits), data.test_labels)


def _predict(model: Model, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    with no_overflow_warnings():
        return model.predict(X)


def _accuracy(logits: npt.NDArray[Any], labels: npt.NDArray[np.uint8]) -> float:
    return float(np.mean(logits.argmax(axis=1) == labels))


def peak_rss_bytes() -> int:
    """The most memory that this process has held so far, in bytes; 0 under Windows."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would include the parent's memory before exec
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    try:
        import resource
    except ModuleNotFoundError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: in bytes
