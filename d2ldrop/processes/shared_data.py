"""A dataset that a parent process reads once and all its workers share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from d2ldrop.data import Dataset
from d2ldrop.processes.scratch import scratch_folder


@dataclass(frozen=True)
class SharedData:
    """A dataset in a temporary folder; a field of jobs.

    Attributes:
        name: the dataset's name.
        folder: the folder with the four arrays; it exists while ``shared_data`` is open.
    """

    name: str
    folder: Path

    def load(self) -> Dataset:
        """The dataset; its arrays are memory-mapped, read-only."""
        arrays = (np.load(self.folder / f"{i}.npy", mmap_mode="r") for i in range(4))
        return Dataset(self.name, *arrays)


@contextmanager
def shared_data(data: Dataset) -> Iterator[SharedData]:
    """Write the arrays of ``data`` into a temporary folder, and remove it at the end."""
    with scratch_folder() as folder:
        for i, array in enumerate(data.arrays):
            np.save(folder / f"{i}.npy", array)
        yield SharedData(data.name, folder)
