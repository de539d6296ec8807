"""``dropout_layer`` inside functions that PyTorch compiles, exports or traces.

To a compiler, the drawing of a shared mask is one opaque operation. The rest of the layer is
PyTorch's own operations, which a compiler can fuse.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from d2ldrop_torch import Array, dropout_layer
from torch.overrides import handle_torch_function

import d2ldrop
from d2ldrop import loaded
from d2ldrop.layer_arguments import resolve

HALF = 2**32


def is_traced(X: Any) -> bool:
    """Whether a function is being compiled or exported, or ``torch.fx`` traces a module."""
    return torch.compiler.is_compiling() or isinstance(X, torch.fx.Proxy)


def traced_layer(
    X: Any, dropout: float, mask: Any, seed: int | None, step: int | None, site: int | None
) -> Any:
    """``d2ldrop.dropout_layer`` of a traced ``X``."""
    if isinstance(X, torch.fx.Proxy):  # the module's graph calls d2ldrop.dropout_layer
        select = {"mask": mask, "seed": seed, "step": step, "site": site}
        public: Any = d2ldrop.dropout_layer
        return handle_torch_function(public, (X,), X, dropout, **select)
    if isinstance(mask, np.ndarray):
        mask = torch.as_tensor(mask)
    dropout, mask = resolve(loaded.torch.backend, X, dropout, mask, seed, step, site, draw)
    if mask is not None:
        mask = mask.to(X.device)
    return dropout_layer(X, dropout, mask=mask)


def draw(X: Array, dropout: float, *, seed: int, step: int, site: int) -> Array:
    """The shared mask of X's shape. PyTorch's integers have 63 bits: each word becomes two."""
    words = [part for word in (seed, step, site) for part in (word // HALF, word % HALF)]
    return shared_mask(X.shape, dropout, words, X.device)


@torch.library.custom_op("d2ldrop::shared_mask", mutates_args=())
def shared_mask(
    shape: Sequence[int], dropout: float, words: Sequence[int], device: torch.device
) -> Array:
    """The shared mask: booleans of ``shape`` on ``device``."""
    seed, step, site = (
        high * HALF + low for high, low in zip(words[::2], words[1::2], strict=True)
    )
    mask = d2ldrop.dropout_mask(shape, dropout, seed=seed, step=step, site=site)
    return torch.from_numpy(mask).to(device)


@shared_mask.register_fake
def _(shape: Sequence[int], dropout: float, words: Sequence[int], device: torch.device) -> Array:
    return torch.empty(shape, dtype=torch.bool, device=device)
