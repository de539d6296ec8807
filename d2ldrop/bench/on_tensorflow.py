"""TensorFlow: its matrix products, its own dropout and Keras's fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from d2ldrop.bench.peers import Products
from d2ldrop.bench.products import batches_of, one_after_another, step_of_products
from d2ldrop.core.recipe import Recipe
from d2ldrop.layer import dropout_layer

Array = npt.NDArray[Any]


def product_paths(X: Array, weights: list[Array], batch_size: int) -> dict[str, Products]:
    """Return the matrix products of an epoch: one call per batch, and a loop in one call."""
    images = [tf.constant(x) for x in batches_of(X, batch_size)]
    Ws = [tf.constant(W) for W in weights]
    whole = len(X) // batch_size
    stack = tf.constant(X[: whole * batch_size].reshape(whole, batch_size, -1))

    def matmul(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
        return tf.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)

    def step(x: Any) -> tuple[Any, ...]:
        return step_of_products(matmul, x, Ws)

    def fold(stack: Any) -> tuple[Any, ...]:
        zeros = tuple(tf.zeros_like(W) for W in reversed(Ws))
        last: tuple[Any, ...] = tf.foldl(lambda _, x: step(x), stack, initializer=zeros)
        return last

    def loop(fold: Callable[[Any], tuple[Any, ...]]) -> Callable[[], tuple[Any, ...]]:
        def run() -> tuple[Any, ...]:
            last = fold(stack)
            return last if len(images) == whole else step(images[-1])

        return run

    paths = {
        "eager": one_after_another(step, images),
        "tf.function": one_after_another(tf.function(step), images),
        "tf.function, loop": loop(tf.function(fold)),
        "XLA, loop": loop(tf.function(fold, jit_compile=True)),
    }
    return {name: _in_numpy(path) for name, path in paths.items()}


def _in_numpy(epoch: Callable[[], Any]) -> Products:
    return lambda: [product.numpy() for product in epoch()]


def trainers(X: Array, y: Array, recipe: Recipe) -> dict[str, Callable[[], None]]:
    """Return Keras's ``Model.fit`` on arrays in memory."""
    layers, (_, h1, h2, outputs) = tf.keras.layers, recipe.sizes
    net = tf.keras.Sequential(
        [
            layers.Input((X.shape[1],), dtype=recipe.dtype),
            layers.Dense(h1, activation="relu", dtype=recipe.dtype),
            layers.Dropout(recipe.dropout[0], dtype=recipe.dtype),
            layers.Dense(h2, activation="relu", dtype=recipe.dtype),
            layers.Dropout(recipe.dropout[1], dtype=recipe.dtype),
            layers.Dense(outputs, dtype=recipe.dtype),
        ]
    )
    net.compile(
        tf.keras.optimizers.SGD(recipe.lr),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return {"Keras fit": lambda: net.fit(X, y, recipe.batch_size, epochs=1, verbose=0)}


def own_dropout(X: Any, dropout: float) -> Any:
    """Apply ``tf.nn.dropout``."""
    return tf.nn.dropout(X, dropout)


def forward_backward(X: Any, dropout: float, step: int) -> Any:
    """Apply ``dropout_layer`` and return its gradient."""
    return _gradient(lambda x: dropout_layer(x, dropout, seed=0, step=step), X)


def own_forward_backward(X: Any, dropout: float) -> Any:
    """Apply ``tf.nn.dropout`` and return its gradient."""
    return _gradient(lambda x: tf.nn.dropout(x, dropout), X)


def _gradient(layer: Callable[[Any], Any], X: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(X)
        Y = layer(X)
    return tape.gradient(Y, X, output_gradients=X)


def synchronise(x: Any) -> None:
    """Wait until ``x`` is computed."""
    x.numpy()
