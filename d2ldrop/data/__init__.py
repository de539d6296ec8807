"""Fashion-MNIST and its stand-in."""

from d2ldrop.data.fashion_mnist import (
    DataError,
    DataNotFoundError,
    Dataset,
    StandInWarning,
    load_data,
)

__all__ = ["DataError", "DataNotFoundError", "Dataset", "StandInWarning", "load_data"]
