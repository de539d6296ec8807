"""The noise of a run: what is drawn, where it goes, and when.

Dropout is one noise of several. What is drawn here comes from the shared streams, and all but two
are masks of numbers, which are scaled already: a backend's ``dropout_layer`` multiplies by them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy.typing as npt

from d2ldrop.backend import Backend
from d2ldrop.core.randomness import Purpose, dropout_mask, normal_noise, scaled

if TYPE_CHECKING:
    from d2ldrop.core.recipe import Recipe

NOISES = ("dropout", "gaussian", "additive", "dropconnect", "unit", "none")
"""What ``Recipe.noise`` may be; p is the hidden layer's ``Recipe.dropout``.

- dropout: drop each activation with probability p, divide the rest by 1 - p. Srivastava et al.,
  "Dropout" (JMLR 15, 2014); *Dive into Deep Learning*, section 4.6.
- gaussian: multiply each activation by N(1, p / (1 - p)), which has dropout's mean and variance.
  Srivastava et al. (2014), section 10.
- additive: add N(0, p / (1 - p)) to each activation. Poole, Sohl-Dickstein and Ganguli, "Analyzing
  noise in autoencoders and deep networks", arXiv:1406.1831 (2014); on inputs, Bishop, "Training
  with noise is equivalent to Tikhonov regularization" (Neural Computation 7, 1995).
- dropconnect: drop each weight that leads out of the hidden layer with probability p, divide the
  rest by 1 - p; one mask for the batch. Wan et al., "Regularization of neural networks using
  DropConnect" (ICML 2013), who draw a mask for each example and predict by moment matching.
- unit: dropout with one mask for the whole batch. Graham, Reizenstein and Robinson, "Efficient
  batchwise dropout training using submatrices", arXiv:1502.02478 (2015).
- none: no noise in the hidden layers.

With one mask for the batch, gradients vary more: at the book's learning rate of 0.5 dropconnect and
unit hardly train, and float64 runs part ways within an epoch. At 0.2 they do neither.
"""

SCHEDULES = ("constant", "early", "late", "linear")
"""What ``Recipe.schedule`` may begin with; all but constant are followed by ``:E``, E epochs.

- constant: the same noise in every epoch.
- early: noise in the first E epochs only; late: only after them. Liu et al., "Dropout reduces
  underfitting" (ICML 2023).
- linear: p falls in equal steps from its value in the first epoch to 0 after E epochs. Rennie, Goel
  and Thomas, "Annealed dropout training of deep networks" (SLT 2014).
"""

SCALINGS = ("inverted", "original")
"""What ``Recipe.scaling`` may be: when dropout makes up for what it drops.

- inverted: while training, by 1 / (1 - p); nothing is left to do at test time. Srivastava et al.
  (2014), section 10.
- original: at test time, where every weight that leads out of a hidden layer is multiplied by its
  keep probability 1 - p. Hinton et al., arXiv:1207.0580 (2012).
"""

Array = TypeVar("Array")


@dataclass(frozen=True)
class StepNoise:
    """The noise of one training step, as a backend's ``train_step`` takes it."""

    kind: str  # "dropout", "additive" or "dropconnect"
    dropout: tuple[float, float]
    masks: tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None]


def noise_layer(
    dropout_layer: Callable[..., Array], H: Array, W: Array, dropout: float, mask: Any, noise: str
) -> tuple[Array, Array]:
    """A hidden layer's activations H (n, h) and the weights W (h, outputs) after it, with noise.

    For backends, which give their ``dropout_layer`` and their arrays. With "dropconnect" W goes
    through the layer; with "additive" ``mask`` is added to H; with "dropout" H goes through the
    layer, which draws a fresh mask if it is given None. To the others None is no noise.
    """
    if noise == "additive":
        return (H if mask is None else mask + H), W
    if noise == "dropconnect":
        return H, dropout_layer(W, dropout, mask=mask)
    return dropout_layer(H, dropout, mask=mask), W


def check_schedule(schedule: object) -> str:
    """``schedule``, if it is one.

    Raises:
        ValueError: it is not.
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
    """By what each p is multiplied in an epoch (from 0): 1 is all of it, 0 none.

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


def dropout_in(recipe: Recipe, epoch: int) -> tuple[float, tuple[float, float]]:
    """The probabilities of an epoch (from 0): the input's, and those of the hidden layers."""
    factor = strength(recipe.schedule, epoch)
    first, second = (0 if recipe.noise == "none" else factor * p for p in recipe.dropout)
    return factor * recipe.input_dropout, (first, second)


def noisy_input(module: Backend[Any], X: Any, recipe: Recipe, epoch: int, step: int) -> Any:
    """A batch of images X (n, 784), the framework's array, with pixels dropped.

    Srivastava et al. (2014), appendix A.4; as masking noise Vincent et al., "Extracting and
    composing robust features with denoising autoencoders" (ICML 2008).
    """
    p, _ = dropout_in(recipe, epoch)
    if p == 0 or recipe.rng == "native":
        return module.dropout_layer(X, p)
    keep = dropout_mask(tuple(X.shape), p, seed=recipe.seed, step=step, purpose=Purpose.INPUT)
    return module.dropout_layer(X, p, mask=module.from_numpy(keep))


def draw_noise(recipe: Recipe, epoch: int, step: int, n: int) -> StepNoise:
    """The noise of one step (counted from the run's first) on a batch of n images.

    With ``rng="native"`` nothing is drawn: the framework draws masks of its own.
    """
    _, dropout = dropout_in(recipe, epoch)
    if recipe.rng == "native":
        return StepNoise("dropout", dropout, (None, None))
    first, second = (_draw(recipe, p, step, site, n) for site, p in enumerate(dropout))
    kind = recipe.noise if recipe.noise in ("additive", "dropconnect") else "dropout"
    return StepNoise(kind, dropout, (first, second))


def _draw(recipe: Recipe, p: float, step: int, site: int, n: int) -> npt.NDArray[Any] | None:
    """What a layer is multiplied by, or what is added; None where p leaves nothing to chance."""
    if p in (0, 1):
        return None
    seed = recipe.seed
    width, next_width = recipe.sizes[site + 1 : site + 3]
    if recipe.noise in ("gaussian", "additive"):
        normal = normal_noise((n, width), seed=seed, step=step, site=site)
        mean = 0 if recipe.noise == "additive" else 1
        noise = mean + math.sqrt(p / (1 - p)) * normal
        return noise.astype(recipe.dtype)
    shape, purpose = {
        "dropout": ((n, width), Purpose.MASK),
        "dropconnect": ((width, next_width), Purpose.DROPCONNECT),
        "unit": ((1, width), Purpose.UNIT),
    }[recipe.noise]
    mask = dropout_mask(shape, p, seed=seed, step=step, site=site, purpose=purpose)
    kept = 1 if recipe.scaling == "original" else 1 - p
    # Scaled here, once a step: a framework would do it again to differentiate, and more slowly.
    return scaled(mask, kept, recipe.dtype)
