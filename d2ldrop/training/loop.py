"""The one loop that trains every backend: batches, masks, steps, metrics.

All that a framework does is in its backend; everything here is the same for all of them, and so
are the numbers: weights, batch order and masks come from ``randomness``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.backend import Backend, get_backend
from d2ldrop.core.arrays import Weights
from d2ldrop.core.devices import check_device
from d2ldrop.core.randomness import batch_order, initial_weights
from d2ldrop.core.recipe import Recipe
from d2ldrop.data.fashion_mnist import Dataset, load_data, to_network
from d2ldrop.training.folder import RunFolder
from d2ldrop.training.implementations import Model, make_model, recipe_for
from d2ldrop.training.layer_statistics import check_record, hidden_statistics
from d2ldrop.training.run import EpochResult, Run, RunIdentity

OnStep = Callable[[int, int], None]
OnEpoch = Callable[[EpochResult], None]
RUN_AHEAD = 8
"""Steps that may be under way. Reading a loss waits for a device that still computes; never reading
one would let MXNet queue a whole epoch, and keep its batches in memory."""


def train(
    backend: str,
    recipe: Recipe | None = None,
    *,
    implementation: str = "scratch",
    data: Dataset | str = "auto",
    device: str = "cpu",
    folder: Path | str | None = None,
    resume: bool = False,
    record: Sequence[str] = (),
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
) -> Run:
    """Train the dropout MLP (D2L 4.6) on one framework.

    With ``rng="native"`` the framework's own generator, global in most of them, is seeded anew each
    epoch; otherwise no generator is touched.

    Args:
        backend: the framework's import name: "numpy", "torch", "tensorflow", "mxnet" or "paddle".
        recipe: the hyper-parameters; the book's if not given.
        implementation: "scratch", the book's functions, or "concise", the framework's own layers
            and optimiser, which draw masks of their own: ``rng`` is then "native". (Pixels are
            dropped by ``dropout_layer`` in both.)
        data: a Dataset, or what ``load_data`` takes: "auto", "fashion-mnist" or "stand-in".
        device: "cpu", "gpu" or "gpu:N".
        folder: where to write the run (formats in README); nothing is written if not given. A
            checkpoint after every epoch lets a killed run be resumed.
        resume: continue the run in ``folder``; a finished one is returned as it is.
        record: ("activations",) for the statistics of the hidden layers after each epoch, in
            ``Run.activations`` (see ``d2ldrop.training.layer_statistics``).
        on_step: called after each step with the steps done and the steps in all.
        on_epoch: called with each epoch's result.

    Returns:
        The run: ``history`` (one EpochResult an epoch), ``weights`` (W1 (784, h1), b1 (h1,), …),
        ``trace`` (float64, the loss of every step).

    Raises:
        ValueError: unknown backend, dataset, device or thing to record, an implementation that
            cannot do what the recipe asks for, or another run's folder.
        FileExistsError: ``folder`` holds a run already, and ``resume`` is False.
        ImportError: the framework is not installed, or cannot be loaded into this process.
        DataError: no data, or a corrupt file.
    """
    run_folder = RunFolder(Path(folder)) if folder is not None else None
    if run_folder and not resume:
        run_folder.refuse_overwrite()
    module, run, data = begin_run(
        backend, recipe, implementation=implementation, data=data, device=device, record=record
    )
    if run_folder and resume:
        run_folder.restore(run)
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
    data: Dataset | str = "auto",
    device: str = "cpu",
    record: Sequence[str] = (),
) -> tuple[Backend[Any], Run, Dataset]:
    """The backend, a run of it that has its initial weights and no epoch yet, and its data.

    Arguments and errors are those of ``train``.
    """
    recipe = recipe_for(backend, recipe or Recipe(), implementation)
    record = check_record(record)
    module = get_backend(backend)
    device = check_device(module, backend, device)
    data = load_data(data) if isinstance(data, str) else data
    identity = RunIdentity.here(
        backend, recipe, data, implementation=implementation, device=device, record=record
    )
    run = Run(
        identity,
        initial_weights(recipe.seed, recipe.sizes, recipe.dtype),
        activations=[] if "activations" in record else None,
    )
    return module, run, data


def train_epochs(
    module: Backend[Any], run: Run, data: Dataset, on_step: OnStep | None = None
) -> Iterator[EpochResult]:
    """Train the epochs that ``run`` still lacks; after each, ``run`` is up to date."""
    recipe = run.recipe
    n = len(data.train_images)
    test_X = module.from_numpy(to_network(data.test_images, recipe.dtype), run.device)
    steps_per_epoch = -(-n // recipe.batch_size)
    for epoch in range(len(run.history), recipe.num_epochs):
        start = time.perf_counter()
        model = make_model(run.implementation, module, run.weights, recipe, epoch, run.device)
        losses, logits = [], []
        queue: deque[Any] = deque()
        for steps, new_losses, new_logits in train_steps(model, data, recipe, epoch):
            logits.append(new_logits)
            queue.append(new_losses)
            if len(queue) > RUN_AHEAD:
                losses.append(module.to_numpy(queue.popleft()))
            if on_step:
                for step in steps:
                    on_step(step + 1, recipe.num_epochs * steps_per_epoch)
        losses += [module.to_numpy(waiting) for waiting in queue]
        trace = np.concatenate([loss.ravel() for loss in losses]).astype(np.float64)
        predicted = np.concatenate(
            [module.to_numpy(batches).reshape(-1, recipe.sizes[-1]) for batches in logits]
        ).argmax(axis=1)
        seconds = time.perf_counter() - start

        order = batch_order(recipe.seed, epoch, n)
        sizes = np.diff(np.r_[0 : n : recipe.batch_size, n])
        run.trace = np.concatenate([run.trace, trace])
        run.weights = model.weights()
        run.history.append(
            EpochResult(
                epoch=epoch + 1,
                train_loss=float(np.average(trace, weights=sizes)),
                train_accuracy=float(np.mean(predicted == data.train_labels[order])),
                test_accuracy=_accuracy(module.to_numpy(model.predict(test_X)), data.test_labels),
                seconds=seconds,
            )
        )
        if run.activations is not None:
            images, last_step = to_network(data.test_images, recipe.dtype), len(run.trace) - 1
            statistics = hidden_statistics(run.weights, images, recipe, epoch, last_step)
            run.activations.append(statistics)
        run.peak_rss_bytes = peak_rss_bytes()
        yield run.history[-1]


def train_steps(
    model: Model, data: Dataset, recipe: Recipe, epoch: int, num_steps: int | None = None
) -> Iterator[tuple[range, Any, Any]]:
    """Take the steps of one epoch, or its first ``num_steps``.

    After each call of the model: which steps it took, counted from the run's first, their losses
    and their logits.
    """
    order, n = batch_order(recipe.seed, epoch, len(data.train_images)), recipe.batch_size
    steps_per_epoch = -(-len(order) // n)
    end = steps_per_epoch if num_steps is None else min(num_steps, steps_per_epoch)
    whole = min(end, len(order) // n)  # steps on n images; the last may have fewer
    step = 0
    while step < end:
        taken = model.at_once if step + model.at_once <= whole else 1
        rows = order[step * n : (step + taken) * n]
        X = to_network(data.train_images[rows], recipe.dtype)
        y = data.train_labels[rows].astype(np.int64)
        steps = range(epoch * steps_per_epoch + step, epoch * steps_per_epoch + step + taken)
        yield steps, *model.steps(X, y, steps)
        step += taken


def take_steps(
    backend: str,
    weights: Weights,
    recipe: Recipe,
    data: Dataset,
    num_steps: int,
    *,
    implementation: str = "scratch",
    device: str = "cpu",
    on_step: OnStep | None = None,
) -> Weights:
    """The weights after ``num_steps`` steps from ``weights``, over as many epochs as that takes.

    For comparing weights alone: no metrics, no evaluation, nothing written.
    """
    recipe = recipe_for(backend, recipe, implementation)
    module = get_backend(backend)
    done = 0
    for epoch in count():
        model = make_model(implementation, module, weights, recipe, epoch, device)
        for steps, _, _ in train_steps(model, data, recipe, epoch, num_steps - done):
            done += len(steps)
            if on_step:
                on_step(done, num_steps)
        weights = model.weights()
        if done == num_steps:
            break
    return weights


def evaluate(
    weights: Weights, backend: str, data: Dataset | str = "auto", *, device: str = "cpu"
) -> tuple[float, float]:
    """Mean softmax cross-entropy and accuracy of weights on the test images, without dropout.

    Raises:
        ValueError, ImportError, DataError: as ``train``.
    """
    module = get_backend(backend)
    device = check_device(module, backend, device)
    data = load_data(data) if isinstance(data, str) else data
    params = module.init_params(list(weights.values()), device)
    X = module.from_numpy(to_network(data.test_images, str(weights["W1"].dtype)), device)
    y = module.from_numpy(data.test_labels.astype(np.int64), device)
    logits = module.predict(params, X)
    loss = float(module.to_numpy(module.cross_entropy(logits, y)))
    return loss, _accuracy(module.to_numpy(logits), data.test_labels)


def _accuracy(logits: npt.NDArray[Any], labels: npt.NDArray[np.uint8]) -> float:
    return float(np.mean(logits.argmax(axis=1) == labels))


def peak_rss_bytes() -> int:
    """The most memory that this process has held so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # of this program alone; getrusage counts the parent's from before exec too
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: in bytes
