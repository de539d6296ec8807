"""What the frameworks themselves show: masks, first-layer filters, and predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.comparison.lockstep import REFERENCE
from d2ldrop.frameworks import title
from d2ldrop.page.images import filters_picture, image_picture, mask_picture
from d2ldrop.page.results import TrainedRun
from d2ldrop.training.samples import Samples, read_samples

SHOWN_ROWS, SHOWN_UNITS = 32, 64
"""The part of a mask that a picture shows; the masks are compared whole."""
NUM_FILTERS, FILTERS_IN_A_ROW = 16, 8
NUM_CLASSES = 10


@dataclass(frozen=True)
class Picture:
    """A picture of one run.

    Attributes:
        name: the title of the run.
        uri: the picture as a data URI.
        difference: the largest difference of a shown weight from the reference's; empty for the
            reference itself and for masks.
    """

    name: str
    uri: str
    difference: str = ""


@dataclass(frozen=True)
class LayerMasks:
    """The masks of one hidden layer in the first step.

    Attributes:
        layer: its number, from 1.
        shape: "256 × 256", rows and units.
        dropped: the fraction that is dropped, of the first run.
        pictures: one per run.
        equal: how many runs have bit for bit the same mask as the first one, itself included.
        different: the titles of the others.
    """

    layer: int
    shape: str
    dropped: str
    pictures: list[Picture]
    equal: int
    different: list[str]


@dataclass(frozen=True)
class Filters:
    """Columns of W1 as pictures.

    Attributes:
        units: the shown units, those of the largest norm in the reference, as text.
        pictures: one per run.
        reference: the title of NumPy's run, or of the first one.
    """

    units: str
    pictures: list[Picture]
    reference: str


@dataclass(frozen=True)
class Prediction:
    """One run's prediction of one image.

    Attributes:
        label: the class of the highest mean probability.
        mean: this probability in percent, the mean over the masks.
        std: its standard deviation over the masks, in percent.
        right: whether the class is the image's.
    """

    label: int
    mean: float
    std: float
    right: bool


@dataclass(frozen=True)
class ImageRow:
    """A test image, its class, and the predictions in the order of the runs."""

    uri: str
    label: int
    predictions: list[Prediction | None]


@dataclass(frozen=True)
class Predictions:
    """The predictions of some test images.

    Attributes:
        names: the titles of the runs.
        num_samples: the number of masks.
        rows: the images.
        missing: the titles of the runs whose file has none.
    """

    names: list[str]
    num_samples: int
    rows: list[ImageRow]
    missing: list[str]


def samples_of(runs: Mapping[str, TrainedRun], problems: list[str]) -> dict[str, Samples]:
    """What the runs recorded; a sentence about each damaged file is added to ``problems``."""
    found = {}
    for name, run in runs.items():
        try:
            samples = read_samples(run.folder.path, run.result.get("digest", ""))
        except (OSError, ValueError) as error:
            problems.append(str(error))
        else:
            if samples is not None:
                found[name] = samples
    return found


def masks(samples: Mapping[str, Samples]) -> list[LayerMasks]:
    """The masks of each hidden layer, compared bit for bit with those of the first run."""
    having = {name: one.masks for name, one in samples.items() if one.masks}
    layers = []
    for number, _ in enumerate(next(iter(having.values()), ())):
        of_runs = {name: all_masks[number] for name, all_masks in having.items()}
        first = next(iter(of_runs.values()))
        equal = {name: np.array_equal(mask, first) for name, mask in of_runs.items()}
        pictures = [
            Picture(title(name), mask_picture(mask[:SHOWN_ROWS, :SHOWN_UNITS]))
            for name, mask in of_runs.items()
        ]
        layers.append(
            LayerMasks(
                layer=number + 1,
                shape=" × ".join(f"{n:,}" for n in first.shape),
                dropped=f"{1 - first.mean():.1%}",
                pictures=pictures,
                equal=sum(equal.values()),
                different=[title(name) for name, same in equal.items() if not same],
            )
        )
    return layers


def filters(runs: Mapping[str, TrainedRun]) -> Filters | None:
    """The filters of the units with the largest norm; None if no run has finite weights."""
    weights = {
        name: run.weights["W1"]
        for name, run in runs.items()
        if np.isfinite(run.weights["W1"]).all()
    }
    if not weights:
        return None
    reference = REFERENCE.name if REFERENCE.name in weights else next(iter(weights))
    norms = np.linalg.norm(weights[reference], axis=0)
    units = np.argsort(-norms, kind="stable")[:NUM_FILTERS]
    shown = {name: W[:, units].astype(np.float64) for name, W in weights.items()}
    differences = {name: f"{np.abs(W - shown[reference]).max():.1e}" for name, W in shown.items()}
    del differences[reference]
    return Filters(
        units=", ".join(map(str, units)),
        pictures=[
            Picture(title(name), filters_picture(W, FILTERS_IN_A_ROW), differences.get(name, ""))
            for name, W in shown.items()
        ],
        reference=title(reference),
    )


def predictions(samples: Mapping[str, Samples]) -> Predictions | None:
    """The predictions of the images of the first run; None if no run has any."""
    having = {name: one for name, one in samples.items() if one.mean is not None}
    if not having:
        return None
    first = next(iter(having.values()))
    rows = [
        ImageRow(
            image_picture(image),
            int(label),
            [_prediction(one, first, number) for one in having.values()],
        )
        for number, (image, label) in enumerate(zip(first.images, first.labels, strict=True))
    ]
    missing = [title(name) for name in samples if name not in having]
    return Predictions(list(map(title, having)), first.num_samples, rows, missing)


def _prediction(samples: Samples, first: Samples, number: int) -> Prediction | None:
    """One run's prediction of an image of ``first``; None if the run had other images."""
    if samples.mean is None or samples.std is None or not _same_images(samples, first):
        return None
    mean: npt.NDArray[Any] = samples.mean[number]
    best = int(mean.argmax())
    return Prediction(
        label=best,
        mean=100 * float(mean[best]),
        std=100 * float(samples.std[number, best]),
        right=best == int(samples.labels[number]),
    )


def _same_images(samples: Samples, first: Samples) -> bool:
    return np.array_equal(samples.images, first.images)
