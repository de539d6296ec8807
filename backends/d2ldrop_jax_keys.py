"""Fresh masks in JAX: the key that they come from, and the random numbers of one mask.

JAX has no global generator. A function that JAX compiles runs in Python only once: a key that it
took from this module would become a constant, and each call would drop the same elements.
"""

import secrets
import threading

import jax
import jax.numpy as jnp
import numpy as np


class Keys:
    """A key, from which each call of ``next`` splits a new one; ``jax.random.key(seed)`` at first.

    It is made when it is first used: an import would start JAX's devices too early.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seed(secrets.randbits(64))

    def seed(self, seed: int) -> None:
        """Begin with ``jax.random.key(seed)``; all 64 bits count, also without jax_enable_x64."""
        with self._lock:
            self._words: np.ndarray | jax.Array = np.array([seed >> 32, seed % 2**32], np.uint32)

    def next(self) -> jax.Array:
        """A new key.

        Raises:
            TypeError: JAX traces a function.
        """
        with self._lock:
            key: jax.Array
            words, key = split(self._words)
            if isinstance(key, jax.core.Tracer):
                raise TypeError(
                    "a function that JAX traces (jit, scan, checkpoint) cannot draw a fresh mask: "
                    "every call would drop the same elements. Give dropout_layer a seed and a "
                    "step, or a mask: mask=jax.random.bernoulli(key, 1 - dropout, X.shape) for "
                    "example, with a key that is an argument of the function"
                )
            self._words = words
        return key


@jax.jit
def split(words: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The words of the next state, and a key."""
    following, key = jax.random.split(jax.random.wrap_key_data(words, impl="threefry2x32"))
    return jax.random.key_data(following), key


keys = Keys()


def draw(shape: tuple[int, ...]) -> jax.Array:
    """New float32 numbers in [0, 1)."""
    return jax.random.uniform(keys.next(), shape, jnp.float32)


def uniform(X: jax.Array) -> jax.Array:
    """New float32 numbers in [0, 1), of the shape of ``X``; under ``vmap`` for each example."""
    if isinstance(X, jax.core.Tracer):
        numbers: jax.Array = uniform_for_each(keys.next(), jax.lax.stop_gradient(X))
        return numbers
    return draw(X.shape)


def uniform_of_key(key: jax.Array, X: jax.Array) -> jax.Array:
    """``uniform`` with its key."""
    return jax.random.uniform(key, X.shape, jnp.float32)


def of_all_examples(
    axis_size: int, batched: list[bool], key: jax.Array, X: jax.Array
) -> tuple[jax.Array, bool]:
    """The rule for ``vmap``: ``X`` is here the array of all examples."""
    return uniform_for_each(key, X), True


uniform_for_each = jax.custom_batching.custom_vmap(uniform_of_key)
uniform_for_each.def_vmap(of_all_examples)
