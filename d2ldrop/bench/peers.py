"""What d2ldrop is compared with on one framework: a module with the functions of ``Peers``.

The entry-point group ``d2ldrop.bench`` registers it: the key is the framework's import name, the
value the module. A framework without such a module is measured alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy.typing as npt

from d2ldrop.backend import get_backend
from d2ldrop.core.recipe import Recipe
from d2ldrop.entry_points import modules_of

GROUP = "d2ldrop.bench"
Products = Callable[[], Sequence[npt.NDArray[Any]]]
"""Compute the products of an epoch, and wait for them; return the last batch's, in NumPy.

They are the three of the gradients: dW3 (h2, 10), dW2 (h1, h2), dW1 (784, h1)."""


class Peers(Protocol):
    """The functions of a module that ``d2ldrop bench`` needs beside a framework's backend.

    d2ldrop imports the framework before the module. X of the two first functions is in NumPy; X of
    the others is an array of the framework, float32 and n × n, which ``from_numpy`` of the backend
    has made.
    """

    def product_paths(
        self, X: npt.NDArray[Any], weights: list[npt.NDArray[Any]], batch_size: int
    ) -> dict[str, Products]:
        """The matrix products of an epoch, one function for each way of multiplying.

        ``d2ldrop.bench.products.step_of_products`` defines the products of a batch. The fastest
        function is the lower bound of a training, so give the fastest ways that the framework's
        public functions have: compiled, asynchronous, on several threads.

        Args:
            X: images (n, 784), float32. The batches are taken in order; the last may be smaller.
            weights: W1 (784, h1), W2 (h1, h2), W3 (h2, 10), of X's dtype.
            batch_size: the number of images in a batch.
        """
        ...

    def trainers(
        self, X: npt.NDArray[Any], y: npt.NDArray[Any], recipe: Recipe
    ) -> dict[str, Callable[[], object]]:
        """The trainers that the framework's users usually write, by name; {} if there is none.

        Each call of a function trains the network of ``recipe`` for one more epoch, with loss and
        accuracy, and waits until it is trained.

        Args:
            X: images (n, 784) of the dtype ``recipe.dtype``, float32.
            y: labels (n,), int64.
            recipe: sizes, dropout, batch size and learning rate.
        """
        ...

    def own_dropout(self, X: Any, dropout: float) -> Any:
        """The framework's own dropout of ``X``, as in training."""
        ...

    def own_forward_backward(self, X: Any, dropout: float) -> Any:
        """Apply the framework's own dropout; return its gradient for the output gradient ``X``."""
        ...

    def forward_backward(self, X: Any, dropout: float, step: int) -> Any:
        """``d2ldrop.dropout_layer(X, dropout, seed=0, step=step)``, then as above."""
        ...

    def synchronise(self, x: Any) -> None:
        """Wait until ``x``, a result of the functions above, is computed."""
        ...


def get_peers(backend: str) -> Peers | None:
    """Import a framework, then its module in the group ``d2ldrop.bench``; None if it has none.

    Raises:
        TypeError: the module lacks functions of ``Peers``.
        ValueError, ImportError: as in ``get_backend``, or the module cannot be imported.
    """
    get_backend(backend)
    entry = modules_of(GROUP).get(backend)
    if entry is None:
        return None
    module = entry.load()
    functions = [name for name in vars(Peers) if not name.startswith("_")]
    missing = [name for name in functions if not callable(getattr(module, name, None))]
    if missing:
        raise TypeError(
            f"the module {entry.value}, which the group {GROUP} has for {backend}, lacks "
            f"{', '.join(missing)}: d2ldrop.bench.Peers describes its functions"
        )
    return cast("Peers", module)
