"""MXNet: its matrix products, its own dropout and a Gluon loop."""

# pyright: reportAttributeAccessIssue=false, reportCallIssue=false, reportAssignmentType=false
# pyright: reportGeneralTypeIssues=false
# (mxnet has no types: its import creates most of its functions.)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from d2ldrop.backend import get_backend
from d2ldrop.bench.products import step_of_products
from d2ldrop.core.recipe import Recipe
from d2ldrop.layer import dropout_layer

backend = get_backend("mxnet")

import mxnet as mx  # noqa: E402 - mxnet can be imported after get_backend
from mxnet import autograd, gluon, npx  # noqa: E402 - as above
from mxnet.gluon import nn  # noqa: E402 - as above

Array = npt.NDArray[Any]


def product_paths(X: Array, weights: list[Array], batch_size: int) -> dict[str, Callable[[], None]]:
    """Return the matrix products of an epoch: one function per way of multiplying in MXNet."""
    images = [
        mx.nd.array(X[i : i + batch_size], dtype=X.dtype) for i in range(0, len(X), batch_size)
    ]
    Ws = [mx.nd.array(W, dtype=W.dtype) for W in weights]
    transposed = [W.T.copy() for W in Ws]

    def dot(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
        return mx.nd.dot(a, b, transpose_a=transpose_a, transpose_b=transpose_b)

    def fully_connected(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
        """Use oneDNN's product if possible: ``a @ W.T``, where W is outputs × inputs."""
        if transpose_a:
            return dot(a, b, transpose_a, transpose_b)
        index = next(i for i, W in enumerate(Ws) if W is b)
        W = b if transpose_b else transposed[index]
        return mx.nd.FullyConnected(a, W, num_hidden=W.shape[0], no_bias=True)

    def epoch(matmul: Callable[..., Any]) -> Callable[[], None]:
        def run() -> None:
            for x in images:
                step_of_products(matmul, x, Ws)
            mx.nd.waitall()

        return run

    return {"dot": epoch(dot), "FullyConnected": epoch(fully_connected)}


def trainers(X: Array, y: Array, recipe: Recipe) -> dict[str, Callable[[], None]]:
    """Return a loop with a hybridised net, a DataLoader and a Trainer, as in Gluon's tutorials."""
    _, h1, h2, outputs = recipe.sizes
    net = nn.HybridSequential()
    net.add(
        nn.Dense(h1, "relu", dtype=recipe.dtype),
        nn.Dropout(recipe.dropout[0]),
        nn.Dense(h2, "relu", dtype=recipe.dtype),
        nn.Dropout(recipe.dropout[1]),
        nn.Dense(outputs, dtype=recipe.dtype),
    )
    net.initialize(mx.init.Normal(0.01))
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": recipe.lr})
    criterion, accuracy = gluon.loss.SoftmaxCrossEntropyLoss(), mx.metric.Accuracy()
    loader = gluon.data.DataLoader(
        gluon.data.ArrayDataset(X, y.astype("int32")), recipe.batch_size, shuffle=True
    )

    def loop() -> None:
        accuracy.reset()
        total = 0.0
        for images, labels in loader:
            with autograd.record():
                logits = net(images)
                loss = criterion(logits, labels)
            loss.backward()
            trainer.step(len(images))
            accuracy.update([labels], [logits])
            total += float(loss.sum().asscalar())

    return {"Gluon Trainer": loop}


def own_dropout(X: Any, dropout: float) -> Any:
    """Apply ``npx.dropout``."""
    return npx.dropout(X, dropout, mode="always")


def forward_backward(X: Any, dropout: float, step: int) -> Any:
    """Apply ``dropout_layer`` and return its gradient."""
    return _gradient(lambda x: dropout_layer(x, dropout, seed=0, step=step), X)


def own_forward_backward(X: Any, dropout: float) -> Any:
    """Apply ``npx.dropout`` and return its gradient."""
    return _gradient(lambda x: npx.dropout(x, dropout, mode="always"), X)


def _gradient(layer: Callable[[Any], Any], X: Any) -> Any:
    X.attach_grad()
    with autograd.record():
        Y = layer(X)
    Y.backward(X)
    return X.grad


def synchronise(x: Any) -> None:
    """Wait until ``x`` is computed."""
    x.wait_to_read()
