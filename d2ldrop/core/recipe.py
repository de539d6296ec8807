"""``Recipe``: the hyper-parameters of a run. The command line takes its options from it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from d2ldrop.core.checks import check_positive, check_probability, check_real, check_word
from d2ldrop.core.noise import NOISES, SCALINGS, check_schedule

NUM_INPUTS, NUM_OUTPUTS = 784, 10


def _field(default: Any, about: str, choices: Sequence[str] = (), kind: type | None = None) -> Any:
    """A field with the help text, the choices and the type of its command-line option."""
    metadata = {"about": about, "choices": choices, "kind": kind or type(default)}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Recipe:
    """The hyper-parameters of a run; the defaults are the book's (D2L 4.6, Chinese edition).

    ``d2ldrop.core.noise`` explains each ``noise``, ``schedule`` and ``scaling``.

    ``weight_decay`` adds ``weight_decay * W`` to the gradient of each W, but not to those of the
    biases. This is the L2 penalty of the book's section 4.5. Source: Krogh and Hertz, "A simple
    weight decay can improve generalization" (NIPS 1991).

    ``max_norm`` limits the norm of each unit's incoming weights, a column of W, after each step.
    Sources: Srebro and Shraibman, "Rank, trace-norm and max-norm" (COLT 2005); Srivastava et al.,
    "Dropout" (JMLR 15, 2014), section 5.1.

    Raises:
        TypeError: a value has the wrong type.
        ValueError: a value is out of range; the message names the field and its valid values.
    """

    num_epochs: int = _field(10, "Passes over the training images.")
    batch_size: int = _field(256, "Images per step; the last batch of an epoch may be smaller.")
    lr: float = _field(0.5, "Learning rate of SGD.")
    num_hiddens: tuple[int, int] = _field((256, 256), "Units of the two hidden layers.")
    dropout: tuple[float, float] = _field((0.2, 0.5), "Drop probability of each hidden layer.")
    input_dropout: float = _field(0.0, "Drop probability of each pixel.")
    noise: str = _field("dropout", "Noise in the hidden layers; --dropout is its strength.", NOISES)
    schedule: str = _field(
        "constant",
        "Epochs with noise: constant (all), early:E (the first E), late:E (all after the first E) "
        "or linear:E (the noise decreases to 0 over E epochs).",
    )
    scaling: str = _field(
        "inverted",
        "Compensate for dropped units in training (inverted) or at test time (original).",
        SCALINGS,
    )
    weight_decay: float = _field(0.0, "L2 penalty on the weights.")
    max_norm: float | None = _field(
        None, "Largest norm of a unit's incoming weights.  [default: no limit]", kind=float
    )
    seed: int = _field(0, "Seed of weights, batch order and masks.")
    dtype: str = _field(
        "float32", "Dtype of weights and images; compare without it: both.", ("float32", "float64")
    )
    rng: str = _field(
        "shared",
        "Draw masks from the stream that all frameworks share, or from the framework's generator.",
        ("shared", "native"),
    )

    def __post_init__(self) -> None:
        """Check every field; convert lists to tuples and NumPy scalars to Python numbers."""
        largest = sys.float_info.max
        values = {
            "num_epochs": check_positive(self.num_epochs, "num_epochs"),
            "batch_size": check_positive(self.batch_size, "batch_size"),
            "lr": check_real(self.lr, "lr", "a positive finite number", 5e-324, largest),
            "num_hiddens": tuple(
                check_positive(n, "num_hiddens") for n in _pair(self.num_hiddens, "num_hiddens")
            ),
            "dropout": tuple(
                check_probability(p, "dropout") for p in _pair(self.dropout, "dropout")
            ),
            "input_dropout": check_probability(self.input_dropout, "input_dropout"),
            "schedule": check_schedule(self.schedule),
            "weight_decay": check_real(
                self.weight_decay, "weight_decay", "a finite number, not negative", 0, largest
            ),
            "seed": check_word(self.seed, "seed"),
        }
        if self.max_norm is not None:
            values["max_norm"] = check_real(
                self.max_norm, "max_norm", "a positive finite number", 5e-324, largest
            )
        for name, value in values.items():
            object.__setattr__(self, name, value)
        for field in dataclasses.fields(self):
            choices = field.metadata["choices"]
            value = getattr(self, field.name)
            if choices and not (isinstance(value, str) and value in choices):
                raise ValueError(f"{field.name} must be one of {', '.join(choices)}, got {value!r}")
        self._check_together()

    def _check_together(self) -> None:
        """Refuse fields that are valid alone but not together."""
        if self.noise in ("gaussian", "additive") and 1 in self.dropout:
            raise ValueError(
                f"dropout must be below 1 with noise {self.noise!r}, whose variance is "
                f"p / (1 - p), got {self.dropout}"
            )
        plain = {"noise": "dropout", "schedule": "constant", "input_dropout": 0.0, "rng": "shared"}
        if self.scaling == "original":
            for name, value in plain.items():
                if getattr(self, name) != value:
                    raise ValueError(
                        f"{name} must be {value!r} with scaling 'original', "
                        f"got {getattr(self, name)!r}"
                    )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, input and output included: (784, 256, 256, 10)."""
        return (NUM_INPUTS, *self.num_hiddens, NUM_OUTPUTS)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values; ``Recipe(**recipe.to_dict())`` restores the recipe."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }


def _pair(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, (tuple, list, np.ndarray)):
        raise TypeError(f"{name} must be two values, one per hidden layer, got {value!r}")
    if len(value) != 2:
        raise ValueError(f"{name} must be two values, one per hidden layer, got {len(value)}")
    return list(value)


PRESETS = {
    "d2l-zh": Recipe(),
    "d2l-en": Recipe(lr=0.1, dropout=(0.5, 0.5)),
}
"""The book's values: Chinese edition (section 4.6) and English edition 1.0 (section 5.6)."""
