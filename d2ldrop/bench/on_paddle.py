"""PaddlePaddle: its matrix products, its own dropout and Model.fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import paddle
from paddle import nn
from threadpoolctl import threadpool_limits

from d2ldrop.bench.peers import Products
from d2ldrop.bench.products import (
    batches_of,
    one_after_another,
    one_thread_per_core,
    step_of_products,
)
from d2ldrop.core.recipe import Recipe
from d2ldrop.layer import dropout_layer

Array = npt.NDArray[Any]


def product_paths(X: Array, weights: list[Array], batch_size: int) -> dict[str, Products]:
    """Return the matrix products of an epoch: on all cores, and each batch on one core."""
    images = [paddle.to_tensor(x) for x in batches_of(X, batch_size)]
    Ws = [paddle.to_tensor(W) for W in weights]

    def step(x: Any) -> list[Any]:
        return list(step_of_products(paddle.matmul, x, Ws))

    def in_numpy(epoch: Callable[[], list[Any]]) -> Products:
        return lambda: [product.numpy() for product in epoch()]

    return {
        "matmul": in_numpy(one_after_another(step, images)),
        "matmul, threads": in_numpy(one_thread_per_core(step, images)),
    }


def trainers(X: Array, y: Array, recipe: Recipe) -> dict[str, Callable[[], None]]:
    """Return ``paddle.Model.fit`` on tensors in memory, with all threads and with one."""
    _, h1, h2, outputs = recipe.sizes
    net = nn.Sequential(
        nn.Linear(X.shape[1], h1),
        nn.ReLU(),
        nn.Dropout(recipe.dropout[0]),
        nn.Linear(h1, h2),
        nn.ReLU(),
        nn.Dropout(recipe.dropout[1]),
        nn.Linear(h2, outputs),
    )
    net.to(dtype=paddle.to_tensor(X[:1]).dtype)
    model = paddle.Model(net)
    model.prepare(
        paddle.optimizer.SGD(recipe.lr, net.parameters()),
        nn.CrossEntropyLoss(),
        paddle.metric.Accuracy(),
    )
    data = paddle.io.TensorDataset([paddle.to_tensor(X), paddle.to_tensor(y[:, None])])

    def fit() -> None:
        model.fit(data, batch_size=recipe.batch_size, verbose=0)

    def fit_as_imported() -> None:
        """Use one thread, as after ``import paddle`` without OMP_NUM_THREADS."""
        with threadpool_limits(1):
            fit()

    return {"Model.fit": fit, "Model.fit, 1 thread": fit_as_imported}


def own_dropout(X: Any, dropout: float) -> Any:
    """Apply ``nn.functional.dropout``."""
    return nn.functional.dropout(X, dropout)


def forward_backward(X: Any, dropout: float, step: int) -> Any:
    """Apply ``dropout_layer`` and return its gradient."""
    return _gradient(lambda x: dropout_layer(x, dropout, seed=0, step=step), X)


def own_forward_backward(X: Any, dropout: float) -> Any:
    """Apply ``nn.functional.dropout`` and return its gradient."""
    return _gradient(lambda x: nn.functional.dropout(x, dropout), X)


def _gradient(layer: Callable[[Any], Any], X: Any) -> Any:
    x = X.detach()
    x.stop_gradient = False
    (gradient,) = paddle.grad(layer(x), x, grad_outputs=X)
    return gradient


def synchronise(x: Any) -> None:
    """Do nothing: operations on the CPU are finished when they return."""
