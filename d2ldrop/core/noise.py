"""The noises of a network: their definitions, their schedules, and how a layer applies them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

NOISES = ("dropout", "gaussian", "additive", "dropconnect", "unit", "none")
"""The values of ``Recipe.noise``; p is the hidden layer's ``Recipe.dropout``.

- dropout: drop each activation with probability p, divide the rest by 1 - p. Srivastava et al.,
  "Dropout" (JMLR 15, 2014); *Dive into Deep Learning*, section 4.6.
- gaussian: multiply each activation by N(1, p / (1 - p)), which has dropout's mean and variance.
  Srivastava et al. (2014), section 10.
- additive: add N(0, p / (1 - p)) to each activation. Poole, Sohl-Dickstein and Ganguli, "Analyzing
  noise in autoencoders and deep networks", arXiv:1406.1831 (2014); on inputs, Bishop, "Training
  with noise is equivalent to Tikhonov regularization" (Neural Computation 7, 1995).
- dropconnect: drop each outgoing weight of the hidden layer with probability p, divide the rest
  by 1 - p; one mask per batch. Wan et al., "Regularization of neural networks using DropConnect"
  (ICML 2013). They draw one mask per example and predict by moment matching.
- unit: dropout with one mask for the whole batch. Graham, Reizenstein and Robinson, "Efficient
  batchwise dropout training using submatrices", arXiv:1502.02478 (2015).
- none: no noise in the hidden layers.

With one mask per batch, gradients vary more. At the book's learning rate of 0.5 dropconnect and
unit hardly train, and float64 runs diverge from each other within one epoch. At 0.2 they train.
"""

SCHEDULES = ("constant", "early", "late", "linear")
"""The kinds of ``Recipe.schedule``. All but constant are followed by ``:E``, a number of epochs.

- constant: the same noise in every epoch.
- early: noise in the first E epochs only; late: only after them. Liu et al., "Dropout reduces
  underfitting" (ICML 2023).
- linear: p falls in equal steps from its value in the first epoch to 0 after E epochs. Rennie, Goel
  and Thomas, "Annealed dropout training of deep networks" (SLT 2014).
"""

SCALINGS = ("inverted", "original")
"""The values of ``Recipe.scaling``: when dropout compensates for the dropped activations.

- inverted: while training, by the factor 1 / (1 - p). Prediction needs no change. Srivastava et
  al. (2014), section 10.
- original: at test time. Each outgoing weight of a hidden layer is multiplied by the layer's keep
  probability 1 - p. Hinton et al., arXiv:1207.0580 (2012).
"""

Array = TypeVar("Array")


class LayerNoise(NamedTuple):
    """The noise of one hidden layer in one training step.

    With ``kind`` "dropout" the layer drops activations with probability ``dropout``. ``mask`` is
    then boolean, True where an activation is kept; None means a fresh mask. With the other kinds
    ``mask`` holds numbers that are already scaled: "multiply" multiplies the activations by it,
    "add" adds it to them, and "weights" multiplies the outgoing weights by it.
    """

    dropout: float = 0
    mask: Any = None
    kind: str = "dropout"


Noise = tuple[LayerNoise, LayerNoise]
"""The noise of both hidden layers."""
NO_NOISE: Noise = (LayerNoise(), LayerNoise())


def noise_layer(
    dropout_layer: Callable[..., Array], H: Array, W: Array, noise: LayerNoise
) -> tuple[Array, Array]:
    """Apply ``noise`` to a hidden layer's activations H (n, h) or outgoing weights W (h, m).

    Args:
        dropout_layer: the backend's own layer.
        H: activations, an array of any framework.
        W: weights, an array of the same framework.
        noise: its mask is an array of the same framework.

    Returns:
        H and W. Noise was applied to one of them.
    """
    if noise.kind == "weights":
        return H, noise.mask * W
    if noise.kind == "multiply":
        return noise.mask * H, W
    if noise.kind == "add":
        return noise.mask + H, W
    return dropout_layer(H, noise.dropout, mask=noise.mask), W


def check_schedule(schedule: object) -> str:
    """Return ``schedule`` if it is valid.

    Raises:
        ValueError: ``schedule`` does not have one of the forms in SCHEDULES.
    """
    if schedule == "constant":
        return "constant"
    match = re.fullmatch(r"(early|late|linear):([1-9]\d*)", str(schedule), re.ASCII)
    if match is None:
        raise ValueError(
            "schedule must be constant, early:E, late:E or linear:E with a number of epochs E "
            f"of at least 1, early:5 for example, got {schedule!r}"
        )
    return match[0]


def strength(schedule: str, epoch: int) -> float:
    """The factor that multiplies each drop probability in an epoch (from 0), in [0, 1].

    >>> [strength("linear:4", epoch) for epoch in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    >>> [strength("late:2", epoch) for epoch in range(4)]
    [0.0, 0.0, 1.0, 1.0]
    """
    kind, _, epochs = schedule.partition(":")
    if kind == "constant":
        return 1.0
    done = min(epoch / int(epochs), 1)
    if kind == "linear":
        return 1.0 - done
    return float((done < 1) == (kind == "early"))
