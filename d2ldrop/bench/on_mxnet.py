"""MXNet: its matrix products, its own dropout and a Gluon loop."""

# pyright: reportAttributeAccessIssue=false, reportCallIssue=false, reportAssignmentType=false
# pyright: reportGeneralTypeIssues=false
# (mxnet has no types: its import creates most of its functions.)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from d2ldrop.backend import get_backend
from d2ldrop.bench.peers import Products
from d2ldrop.bench.products import batches_of, one_after_another, step_of_products
from d2ldrop.core.recipe import Recipe
from d2ldrop.layer import dropout_layer

backend = get_backend("mxnet")

import mxnet as mx  # noqa: E402 - mxnet can be imported after get_backend
from mxnet import autograd, gluon, npx  # noqa: E402 - as above
from mxnet.gluon import nn  # noqa: E402 - as above

Array = npt.NDArray[Any]


def product_paths(X: Array, weights: list[Array], batch_size: int) -> dict[str, Products]:
    """Return the matrix products of an epoch: by ``dot``, and by layers and their gradients.

    ``dot`` uses OpenBLAS; layers use oneDNN, as the trainer of d2ldrop does. The engine computes
    in another thread while Python makes the next calls, so each epoch waits once, at its end.
    """
    images = [mx.nd.array(x, dtype=x.dtype) for x in batches_of(X, batch_size)]
    Ws = [mx.nd.array(W, dtype=W.dtype) for W in weights]
    net = nn.HybridSequential()
    for W in weights:
        net.add(nn.Dense(W.shape[1], use_bias=False, in_units=W.shape[0], dtype=str(W.dtype)))
    net.initialize()
    net.hybridize(static_alloc=True, static_shape=True)
    params = list(net.collect_params().values())
    for param, W in zip(params, weights, strict=True):
        param.set_data(mx.nd.array(W.T, dtype=W.dtype))

    def dot(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
        return mx.nd.dot(a, b, transpose_a=transpose_a, transpose_b=transpose_b)

    def step_of_layers(x: Any) -> None:
        with autograd.record():
            z3 = net(x)
        z3.backward(z3)  # z3 is the gradient of the logits, as in step_of_products

    by_dot = one_after_another(lambda x: step_of_products(dot, x, Ws), images)
    by_layers = one_after_another(step_of_layers, images)

    def epoch_of_dot() -> list[Array]:
        last = by_dot()
        mx.nd.waitall()
        return [product.asnumpy() for product in last]

    def epoch_of_layers() -> list[Array]:
        by_layers()
        mx.nd.waitall()
        return [param.grad().asnumpy().T for param in reversed(params)]

    return {"dot": epoch_of_dot, "Dense": epoch_of_layers}


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
