"""The images of a run: Fashion-MNIST, or its stand-in."""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.core.arrays import aligned
from d2ldrop.core.checks import check_integer
from d2ldrop.data.checks import check_images, check_labels
from d2ldrop.data.download import download
from d2ldrop.data.fashion_mnist import (
    Copy,
    DataNotFoundError,
    find_fashion_mnist,
    read_fashion_mnist,
)
from d2ldrop.data.stand_in import stand_in

DATASETS = ("auto", "fashion-mnist", "stand-in")


class StandInWarning(UserWarning):
    """The run does not use the real Fashion-MNIST."""


@dataclass(frozen=True)
class Dataset:
    """Training and test images, uint8 (n, 28, 28), with their labels, uint8 (n,), 0 to 9.

    The arrays are checked when the dataset is made. Integers of any dtype are accepted and kept as
    uint8, so ``sha256`` does not depend on the given dtype. The fields are read-only views: do not
    modify the given arrays afterwards, their memory is shared.

    Raises:
        TypeError: the name is not text, or a field is not a NumPy array of integers.
        ValueError: a field has a wrong shape or a value out of range, or there is no image.
    """

    name: str
    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Check the fields."""
        if not isinstance(self.name, str):
            raise TypeError(
                f"name must be text, got {self.name!r} of type {type(self.name).__name__}"
            )
        for split in ("train", "test"):
            images, labels = f"{split}_images", f"{split}_labels"
            pixels = check_images(getattr(self, images), images)
            classes = check_labels(getattr(self, labels), labels, images, len(pixels))
            object.__setattr__(self, images, pixels)  # the class is frozen
            object.__setattr__(self, labels, classes)

    @property
    def arrays(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """The four arrays: training images and labels, test images and labels."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the bytes of the four arrays, one after another."""
        digest = hashlib.sha256()
        for array in self.arrays:
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @property
    def identity(self) -> dict[str, Any]:
        """What results record of the dataset, and what a resumed run must have again."""
        return {
            "dataset": self.name,
            "dataset_sha256": self.sha256,
            "train_size": len(self.train_images),
            "test_size": len(self.test_images),
        }


@dataclass(frozen=True)
class DataSource:
    """Which images to load; ``load`` finds and reads them.

    Attributes:
        dataset: "fashion-mnist"; "stand-in", images drawn by code; or "auto": Fashion-MNIST if it
            can be found or downloaded, otherwise the stand-in, with a StandInWarning.
        data_dir: a folder that holds the four files; only this folder and the sub-folders that
            other programs use in it are searched. "~" is the home folder.
        train_size: use the first ``train_size`` training images only.
        test_size: use the first ``test_size`` test images only.
        quiet: show no progress while downloading. Sources that differ in this alone are equal.

    Raises:
        TypeError: a size is not an integer.
        ValueError: an unknown dataset, a size out of range, or ``data_dir`` for the stand-in.
    """

    dataset: str = "auto"
    data_dir: str | os.PathLike[str] | None = None
    train_size: int | None = None
    test_size: int | None = None
    quiet: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse bad arguments before anything is searched or downloaded."""
        if self.dataset not in DATASETS:
            raise ValueError(f"dataset must be one of {', '.join(DATASETS)}, got {self.dataset!r}")
        if self.dataset == "stand-in" and self.data_dir is not None:
            raise ValueError(
                "data_dir is a folder with Fashion-MNIST, but dataset 'stand-in' reads no file: "
                "leave data_dir out, or choose dataset 'fashion-mnist'"
            )
        for name, largest in (("train_size", 60_000), ("test_size", 10_000)):
            size = getattr(self, name)
            if size is not None:
                check_integer(size, name, f"an integer from 1 to {largest}", 1, largest)

    def load(self) -> Dataset:
        """Find, verify and read the images.

        Raises:
            DataNotFoundError: Fashion-MNIST was not found.
            DataError: ``data_dir`` does not exist or lacks a file, or a file is corrupt. The file
                is not changed.
        """
        if self.dataset == "stand-in":
            return self._stand_in()
        try:
            copies = self._copies()
        except DataNotFoundError as error:
            if self.dataset == "fashion-mnist":
                raise
            warnings.warn(
                f"NOT the real Fashion-MNIST: training on the built-in stand-in ({error})",
                StandInWarning,
                stacklevel=2,
            )
            return self._stand_in()
        train_images, train_labels, test_images, test_labels = (copy.array for copy in copies)
        return Dataset(
            "fashion-mnist",
            train_images[: self.train_size],
            train_labels[: self.train_size],
            test_images[: self.test_size],
            test_labels[: self.test_size],
        )

    def _copies(self) -> list[Copy]:
        try:
            return find_fashion_mnist(self.data_dir)
        except DataNotFoundError:
            return read_fashion_mnist(download(quiet=self.quiet))

    def _stand_in(self) -> Dataset:
        return Dataset("stand-in", *stand_in(self.train_size or 60_000, self.test_size or 10_000))


def load_data(
    dataset: str = "auto",
    *,
    data_dir: str | os.PathLike[str] | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
    quiet: bool = False,
) -> Dataset:
    """Load Fashion-MNIST or its stand-in.

    If ``data_dir`` is given, only that folder is searched for Fashion-MNIST. Otherwise, if the
    environment variable D2LDROP_DATA_DIR is set, only its folder is searched. Otherwise the user's
    cache, Debian's package dataset-fashion-mnist, the caches of Keras, MXNet and PaddlePaddle, and
    the network are searched, in this order.

    Arguments and errors are those of ``DataSource`` and ``DataSource.load``.
    """
    return DataSource(dataset, data_dir, train_size, test_size, quiet).load()


def as_dataset(data: Dataset | DataSource | str) -> Dataset:
    """Return a Dataset unchanged; load a DataSource, or the dataset with that name.

    Errors are those of ``DataSource`` and ``DataSource.load``; TypeError for anything else.
    """
    if isinstance(data, str):
        data = DataSource(data)
    if isinstance(data, DataSource):
        return data.load()
    if not isinstance(data, Dataset):
        raise TypeError(
            "data must be a d2ldrop.Dataset, a DataSource or the name of a dataset, "
            f"got {type(data).__name__}"
        )
    return data


def to_network(images: npt.NDArray[np.uint8], dtype: str) -> npt.NDArray[Any]:
    """Turn images, uint8 (n, 28, 28), into the network's inputs: ``dtype`` (n, 784), in [0, 1].

    The division is done in ``dtype``: pixels rounded to float32 would change a float64 run as much
    as weights rounded to float32.
    """
    rows = images.reshape(len(images), -1)
    pixels: npt.NDArray[Any] = np.divide(rows, 255, dtype=dtype, out=aligned(rows.shape, dtype))
    return pixels
