"""Fashion-MNIST in batches, epoch after epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from d2ldrop.core.checks import check_positive
from d2ldrop.data import load_data, to_network

Batch = TypeVar("Batch")
Images = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]


class Loader(Generic[Batch]):
    """Batches of images and labels. Each iteration yields every batch once.

    ``to_batch`` takes the images of a batch, float32 (n, height, width) in [0, 1], and its labels
    (n,). ``permutation`` returns a new order of n images; None keeps the order.
    """

    def __init__(
        self,
        images: Images,
        labels: Labels,
        batch_size: int,
        to_batch: Callable[[Pixels, Labels], Batch],
        permutation: Callable[[int], npt.NDArray[np.integer[Any]]] | None,
        resize: int | None,
    ) -> None:
        self.images, self.labels, self.batch_size = images, labels, batch_size
        self.to_batch, self.permutation, self.resize = to_batch, permutation, resize

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        n = len(self.images)
        order = self.permutation(n) if self.permutation else np.arange(n)
        for i in range(0, n, self.batch_size):
            rows = order[i : i + self.batch_size]
            images = self.images[rows]
            if self.resize is not None:
                images = resized(images, self.resize)
            X = to_network(images, "float32").reshape(images.shape)
            yield self.to_batch(X, self.labels[rows])


def loaders(
    batch_size: int,
    resize: int | None,
    to_batch: Callable[[Pixels, Labels], Batch],
    permutation: Callable[[int], npt.NDArray[np.integer[Any]]],
) -> tuple[Loader[Batch], Loader[Batch]]:
    """Return training batches, in a new order each epoch, and test batches.

    Without Fashion-MNIST, a StandInWarning is issued and the built-in stand-in is used.

    Raises:
        TypeError, ValueError: ``batch_size`` or ``resize`` is not a positive integer.
        DataError: a file is corrupt; ``d2ldrop data --help`` explains the remedy.
    """
    check_positive(batch_size, "batch_size")
    if resize is not None:
        check_positive(resize, "resize")
    data = load_data("auto")
    return (
        Loader(data.train_images, data.train_labels, batch_size, to_batch, permutation, resize),
        Loader(data.test_images, data.test_labels, batch_size, to_batch, None, resize),
    )


def check_arrays(data_arrays: Sequence[Any], batch_size: int) -> None:
    """Check the arguments of ``load_array``.

    Raises:
        TypeError, ValueError: ``batch_size`` is not a positive integer, there is no array, or the
            arrays have different lengths.
    """
    check_positive(batch_size, "batch_size")
    lengths = [len(array) for array in data_arrays]
    given = f"lengths {lengths}" if lengths else "no array"
    if len(set(lengths)) != 1:
        raise ValueError(f"data_arrays must be arrays of the same length, got {given}")


def resized(images: Images, size: int) -> Images:
    """Return images (n, 28, 28) as (n, size, size), interpolated bilinearly."""
    from PIL import Image

    return np.stack(
        [
            np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
            for image in images
        ]
    )
