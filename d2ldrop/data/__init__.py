"""Fashion-MNIST and its stand-in."""

from d2ldrop.data.dataset import (
    Dataset,
    DataSource,
    StandInWarning,
    as_dataset,
    load_data,
    to_network,
)
from d2ldrop.data.fashion_mnist import DataNotFoundError
from d2ldrop.data.idx import DataError

__all__ = [
    "DataError",
    "DataNotFoundError",
    "DataSource",
    "Dataset",
    "StandInWarning",
    "as_dataset",
    "load_data",
    "to_network",
]
