"""JAX: its matrix products, Flax's dropout, and a loop of Flax and Optax."""

# mypy: disable-error-code="no-untyped-call"
# (some functions of JAX and Flax have no types.)

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax  # type: ignore[import-untyped]  # has no types
from flax import nnx

from d2ldrop.bench.peers import Products
from d2ldrop.bench.products import batches_of, step_of_products
from d2ldrop.core.recipe import Recipe
from d2ldrop.layer import dropout_layer

Array = npt.NDArray[Any]
calls = count()  # each call of Flax's dropout gets its own key


def product_paths(X: Array, weights: list[Array], batch_size: int) -> dict[str, Products]:
    """Return the matrix products of an epoch: in one call per batch, and all in one call."""
    Ws = [jnp.asarray(W) for W in weights]
    images = [jnp.asarray(x) for x in batches_of(X, batch_size)]
    whole = len(X) // batch_size
    stack = jnp.asarray(X[: whole * batch_size]).reshape(whole, batch_size, -1)

    def matmul(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
        return (a.T if transpose_a else a) @ (b.T if transpose_b else b)

    step = jax.jit(partial(step_of_products, matmul))

    @jax.jit
    def scan(stack: Any, Ws: Any) -> Any:
        zeros = tuple(jnp.zeros_like(W) for W in reversed(Ws))
        last, _ = jax.lax.scan(lambda _, x: (step(x, Ws), None), zeros, stack)
        return last

    def one_call_per_batch() -> list[Array]:
        """Wait once: JAX computes in other threads while Python makes the next calls."""
        smallest = []
        last: Any = ()
        for x in images:
            last = step(x, Ws)
            smallest.append(last[0])  # to keep all gradients would take 200 MB
        jax.block_until_ready(smallest)
        return [np.asarray(product) for product in last]

    def one_call() -> list[Array]:
        last = scan(stack, Ws)
        if len(images) > whole:
            last = step(images[-1], Ws)
        return [np.asarray(product) for product in last]

    return {"jit": one_call_per_batch, "jit, lax.scan": one_call}


def trainers(X: Array, y: Array, recipe: Recipe) -> dict[str, Callable[[], object]]:
    """Return a loop with a compiled step, as in Flax's tutorials."""
    net = _net(recipe)
    optimiser = nnx.Optimizer(net, optax.sgd(recipe.lr), wrt=nnx.Param)
    metrics = nnx.MultiMetric(accuracy=nnx.metrics.Accuracy(), loss=nnx.metrics.Average("loss"))
    generator = np.random.default_rng()

    @nnx.jit
    def train_step(net: Any, optimiser: Any, metrics: Any, images: Any, labels: Any) -> None:
        def loss_and_logits(net: Any) -> tuple[Any, Any]:
            logits = net(images)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), logits

        (loss, logits), grads = nnx.value_and_grad(loss_and_logits, has_aux=True)(net)
        metrics.update(loss=loss, logits=logits, labels=labels)
        optimiser.update(net, grads)

    def loop() -> dict[str, float]:
        net.train()
        for rows in batches_of(generator.permutation(len(X)), recipe.batch_size):
            train_step(net, optimiser, metrics, X[rows], y[rows])
        jax.block_until_ready(nnx.state(net))
        averages = {name: float(value) for name, value in metrics.compute().items()}
        metrics.reset()
        return averages

    return {"Flax loop": loop}


def _net(recipe: Recipe) -> nnx.Sequential:
    rngs, dtype, (inputs, h1, h2, outputs) = nnx.Rngs(0), jnp.dtype(recipe.dtype), recipe.sizes
    return nnx.Sequential(
        nnx.Linear(inputs, h1, param_dtype=dtype, rngs=rngs),
        nnx.relu,
        nnx.Dropout(recipe.dropout[0], rngs=rngs),
        nnx.Linear(h1, h2, param_dtype=dtype, rngs=rngs),
        nnx.relu,
        nnx.Dropout(recipe.dropout[1], rngs=rngs),
        nnx.Linear(h2, outputs, param_dtype=dtype, rngs=rngs),
    )


@partial(jax.jit, static_argnums=1)
def _flax_dropout(X: Any, dropout: float, call: int) -> Any:
    key = jax.random.fold_in(jax.random.key(0), call)
    return nnx.Dropout(dropout)(X, deterministic=False, rngs=key)


def own_dropout(X: Any, dropout: float) -> Any:
    """Apply ``nnx.Dropout``, compiled."""
    return _flax_dropout(X, dropout, next(calls))


def forward_backward(X: Any, dropout: float, step: int) -> Any:
    """Apply ``dropout_layer`` and return its gradient."""
    return _gradient(lambda x: dropout_layer(x, dropout, seed=0, step=step), X)


@partial(jax.jit, static_argnums=1)
def _flax_gradient(X: Any, dropout: float, call: int) -> Any:
    return _gradient(lambda x: _flax_dropout(x, dropout, call), X)


def own_forward_backward(X: Any, dropout: float) -> Any:
    """Apply ``nnx.Dropout`` and return its gradient, compiled."""
    return _flax_gradient(X, dropout, next(calls))


def _gradient(layer: Callable[[Any], Any], X: Any) -> Any:
    _, pull_back = jax.vjp(layer, X)
    (gradient,) = pull_back(X)
    return gradient


def synchronise(x: Any) -> None:
    """Wait until ``x`` is computed."""
    jax.block_until_ready(x)
