"""``dropout_layer`` inside functions that Paddle turns into static graphs."""

import os
from pathlib import Path
from typing import Any

import d2ldrop_paddle
import numpy as np
import paddle
from paddle.base import core

import d2ldrop
from d2ldrop import layer, loaded
from d2ldrop.layer_arguments import resolve

# With full_graph=True, Paddle rewrites the source of each function that is called. It must leave
# the layer as it is.
paddle.jit.not_to_static(layer.framework_layer)
# With full_graph=False, Paddle simulates the bytecode of each function, but its simulation knows no
# uint64. It must run the layer as it is, and all functions that the layer calls.
paddle.jit.marker.force_dynamic(layer.framework_layer)
core.eval_frame_skip_file_prefix(
    (f"{Path(d2ldrop.__file__).parent}{os.sep}", d2ldrop_paddle.__file__, __file__)
)


def is_traced(X: Any) -> bool:
    """Whether ``X``, an array of Paddle, is a value of a static graph."""
    return not isinstance(X, paddle.Tensor)


def traced_layer(
    X: Any, dropout: float, mask: Any, seed: int | None, step: int | None, site: int | None
) -> Any:
    """``d2ldrop.dropout_layer`` of a value; a mask of NumPy becomes a constant of the graph."""
    dropout, mask = resolve(loaded.paddle.backend, X, dropout, mask, seed, step, site)
    if isinstance(mask, np.ndarray):
        mask = paddle.assign(mask)
    elif (
        mask is None and 0 < dropout < 1 and -1 in X.shape
    ):  # a size is known only when the graph runs
        mask = paddle.rand(paddle.shape(X), dtype="float32") >= dropout
    return d2ldrop_paddle.dropout_layer(X, dropout, mask=mask)
