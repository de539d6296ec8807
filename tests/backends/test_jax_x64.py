"""JAX without its setting ``jax_enable_x64``, which only d2ldrop's own workers change."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.conftest import skip_without

TRAINING = textwrap.dedent(
    """
    import hashlib, sys, warnings
    import numpy as np, jax, jax.numpy as jnp
    warnings.simplefilter("error")
    import d2ldrop
    from d2ldrop import Recipe, dropout_layer, dropout_mask
    backend = d2ldrop.get_backend("jax")
    data = d2ldrop.load_data("stand-in", train_size=300, test_size=50)
    for options in ({"rng": "native"}, {"weight_decay": 0.01, "max_norm": 1.0}):
        recipe = Recipe(num_epochs=1, batch_size=64, num_hiddens=(16, 8), **options)
        run = d2ldrop.train("jax", recipe, data=data)
        weights = b"".join(array.tobytes() for array in run.weights.values())
        print(hashlib.sha256(weights).hexdigest())
    ones = jnp.ones((8, 16))
    for seed in (2**32 - 1, 2**32, 2**64 - 1):
        backend.manual_seed(seed)
        print(np.packbits(np.asarray(dropout_layer(ones, 0.5)) > 0).tobytes().hex())
        step = jnp.arange(3, dtype=jnp.uint32) + np.uint32(2**32 - 3)
        layer = lambda step: dropout_layer(ones, 0.5, seed=seed, step=step)
        _, found = jax.lax.scan(lambda carry, step: (carry, layer(step)), 0, step)
        for number, Y in zip(step.tolist(), found):
            np.testing.assert_array_equal(Y, 2 * dropout_mask((8, 16), 0.5, seed=seed, step=number))
    """
)
REFUSALS = textwrap.dedent(
    """
    import os
    from pathlib import Path

    def refused(function):
        try:
            function()
        except TypeError as error:
            assert "JAX_ENABLE_X64=1" in str(error), error
        else:
            raise AssertionError("no error")

    arrays = [np.ones(shape) for shape in ((784, 4), (4,), (4, 3), (3,), (3, 10), (10,))]
    refused(lambda: backend.from_numpy(np.ones(3)))
    refused(lambda: backend.from_numpy(np.ones(3, ">f8")))
    refused(lambda: backend.from_numpy(np.ones(3, complex)))
    refused(lambda: backend.from_numpy(np.array([2**31])))
    refused(lambda: backend.from_numpy(np.array([2**32], np.uint64)))
    refused(lambda: backend.init_params(arrays))
    refused(lambda: backend.concise_mlp(arrays, (0.2, 0.5), 0.1))
    weights = dict(zip(("W1", "b1", "W2", "b2", "W3", "b3"), arrays))
    refused(lambda: d2ldrop.evaluate(weights, "jax", data))
    refused(lambda: d2ldrop.predict_mc(weights, np.ones((2, 784)), 2, backend="jax"))

    for implementation in ("scratch", "concise"):  # unknown data would be the next error
        options = {"implementation": implementation, "data": "unknown", "folder": "run"}
        refused(lambda: d2ldrop.train("jax", Recipe(dtype="float64"), **options))
    assert not Path("run").exists()
    for integers in (np.arange(3), np.array([-(2**31), 2**31 - 1]), np.uint64([2**32 - 1])):
        np.testing.assert_array_equal(backend.from_numpy(integers), integers)
    assert not jax.config.jax_enable_x64
    assert jnp.ones(3, float).dtype == jnp.float32
    """
)


def run(code: str, folder: Path, **variables: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name != "JAX_ENABLE_X64"}
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment | variables,
        cwd=folder,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    return out.stdout.split()


@skip_without("jax")
def test_without_x64_float32_is_the_same_and_float64_refused(tmp_path: Path) -> None:
    """The user's setting stays off; in float32, it changes no weight and no mask.

    The concise version is not compared: with x64, Flax's Dropout draws numbers of 64 bits.
    """
    without = run(TRAINING + REFUSALS, tmp_path)
    assert len(set(without)) == 5
    assert run(TRAINING, tmp_path, JAX_ENABLE_X64="1") == without
