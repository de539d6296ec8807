"""``samples.safetensors``: what a trained framework itself shows, for the page of a run.

The file has the predictions of some test images with dropout left on (MC dropout), and the masks of
the first training step, both computed by the framework that trained. Only a run from scratch with
dropout has it. The file is not needed for anything else: a run without it is complete.
"""

from __future__ import annotations

import math
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from d2ldrop.backend import get_backend
from d2ldrop.core.files import (
    DamagedFileError,
    check_fields,
    check_seal,
    damaged,
    dump_json,
    parse_json,
    seal,
)
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset, to_network
from d2ldrop.layer import dropout_layer
from d2ldrop.prediction import predict_mc, scale_weights
from d2ldrop.training.run import Run
from d2ldrop.training.saved_arrays import (
    Arrays,
    check_described,
    describe,
    read_metadata,
    write_tensors,
)
from d2ldrop.training.saved_run import read_result
from d2ldrop.training.step_noise import hidden_rates

SAMPLES = "samples.safetensors"
NUM_SAMPLES = 100
"""Masks per image: the standard error of a probability is at most 0.05."""
LARGEST_MASK = 2**22
"""Elements. Larger masks are left out, because they would make the file larger than the weights."""
REMEDY = "delete it; the page then says that nothing was recorded"
FIELDS: dict[str, type] = {"run": str, "masks": list, "num_samples": int, "arrays": dict}


@dataclass(frozen=True)
class Samples:
    """What a framework shows after training.

    Attributes:
        images: the first test image of each class, uint8 (n, 784).
        labels: their classes, uint8 (n,).
        mean: the mean of the class probabilities over the sampled masks, float64 (n, 10); with
            ``std`` it is None for a run that diverged.
        std: their standard deviation, float64 (n, 10).
        num_samples: the number of sampled masks.
        masks: the keep masks of the first step, booleans (batch, hidden), one per hidden layer;
            none if the run's masks are the framework's own, or very large.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    mean: npt.NDArray[np.float64] | None
    std: npt.NDArray[np.float64] | None
    num_samples: int
    masks: tuple[npt.NDArray[np.bool_], ...]


def record_samples(folder: Path, run: Run, data: Dataset) -> str | None:
    """Write the file of a run that has just been trained, unless it is there.

    Only a run from scratch with dropout gets one. A failure does not fail the run, which is
    complete: its traceback is printed, and a sentence about it is returned.
    """
    if run.implementation != "scratch" or run.recipe.noise != "dropout":
        return None
    try:
        digest = read_result(folder)["digest"]
        if not _is_there(folder, digest):
            write_samples(folder, take_samples(run, data), digest)
    except Exception as error:  # noqa: BLE001 - any error of the framework; the caller reports it
        traceback.print_exc()
        return f"its samples for the page are not recorded: {type(error).__name__}: {error}"
    return None


def _is_there(folder: Path, run_digest: str) -> bool:
    try:
        return read_samples(folder, run_digest) is not None
    except DamagedFileError:
        return False


def take_samples(run: Run, data: Dataset) -> Samples:
    """Predict and draw masks on the run's framework, in the process that trained.

    No generator is used but the shared stream.
    """
    recipe, device = run.recipe, run.device
    first = np.unique(data.test_labels, return_index=True)[1]
    images, labels = data.test_images[first], data.test_labels[first]
    weights = run.weights
    mean = std = None
    if all(np.isfinite(array).all() for array in weights.values()):
        if recipe.scaling == "original":
            weights = scale_weights(weights, recipe.dropout)
        prediction = predict_mc(
            weights,
            to_network(images, recipe.dtype),
            NUM_SAMPLES,
            backend=run.backend,
            dropout=recipe.dropout,
            seed=recipe.seed,
            device=device,
        )
        mean, std = prediction.mean, np.sqrt(prediction.variance)
    rows = min(recipe.batch_size, len(data.train_images))
    masks = _masks(run.backend, recipe, device, rows)
    return Samples(images.reshape(len(images), -1), labels, mean, std, NUM_SAMPLES, masks)


def _masks(backend: str, recipe: Recipe, device: str, rows: int) -> tuple[Any, ...]:
    """The masks of the first step: where the framework's ``dropout_layer`` of ones is not 0."""
    shapes = [(rows, width) for width in recipe.num_hiddens]
    if recipe.rng != "shared" or max(map(math.prod, shapes)) > LARGEST_MASK:
        return ()
    module, masks = get_backend(backend), []
    for site, (shape, p) in enumerate(zip(shapes, hidden_rates(recipe, 0), strict=True)):
        ones = module.from_numpy(np.ones(shape, recipe.dtype), device)
        dropped = dropout_layer(ones, p, seed=recipe.seed, step=0, site=site)
        masks.append(module.to_numpy(dropped) != 0)
    return tuple(masks)


def write_samples(folder: Path, samples: Samples, run_digest: str) -> None:
    """Write the file into a run's folder; ``run_digest`` is the digest of its ``result.json``."""
    arrays: Arrays = {"images": samples.images, "labels": samples.labels}
    if samples.mean is not None and samples.std is not None:
        arrays |= {"mean": samples.mean, "std": samples.std}
    for number, mask in enumerate(samples.masks, 1):
        arrays[f"mask{number}"] = np.packbits(mask)
    about = {
        "run": run_digest,
        "num_samples": samples.num_samples,
        "masks": [list(mask.shape) for mask in samples.masks],
        "arrays": describe(arrays),
    }
    write_tensors(folder / SAMPLES, arrays, {"samples": dump_json(seal(about))})


def read_samples(folder: Path, run_digest: str) -> Samples | None:
    """The content of the file; None if there is none.

    Raises:
        DamagedFileError: the file is damaged, of another run, or of a newer version.
    """
    path = folder / SAMPLES
    if not path.exists():
        return None
    text = read_metadata(path, REMEDY).get("samples", "")
    try:
        values, arrays = parse_json(text), load(path.read_bytes())
    except (ValueError, RecursionError, SafetensorError) as error:
        raise damaged(path, f"is not intact ({error})", REMEDY) from error
    about = check_seal(path, values, REMEDY)
    check_fields(path, about, FIELDS, REMEDY)
    if about["run"] != run_digest:
        raise damaged(path, "is of another run", REMEDY)
    if set(arrays) != set(about["arrays"]):
        raise damaged(path, f"must hold {', '.join(about['arrays'])}", REMEDY)
    check_described(path, arrays, about["arrays"], REMEDY)
    masks = tuple(
        np.unpackbits(arrays[f"mask{number}"], count=math.prod(shape)).reshape(shape).astype(bool)
        for number, shape in enumerate(about["masks"], 1)
    )
    return Samples(
        arrays["images"],
        arrays["labels"],
        arrays.get("mean"),
        arrays.get("std"),
        about["num_samples"],
        masks,
    )
