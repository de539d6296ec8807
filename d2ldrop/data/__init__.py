"""Fashion-MNIST and its stand-in."""

from d2ldrop.data.fashion_mnist import (
    DataError,
    DataNotFoundError,
    Dataset,
    DataSource,
    StandInWarning,
    load_data,
)

__all__ = ["DataError", "DataNotFoundError", "DataSource", "Dataset", "StandInWarning", "load_data"]
