"""What a training shows beside its final weights: lockstep checks compare it with NumPy's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.data import Dataset, to_network
from d2ldrop.training.divergence import no_overflow_warnings
from d2ldrop.training.implementations import Model, Trained

TEST_IMAGES = 200
"""The number of test images whose predictions are compared."""
Observed = dict[str, npt.NDArray[Any]]
"""Arrays by name:

- "loss" (steps,): the loss of every step.
- "logits/N" (n, 10): the logits of step N, for N = 1, 2, 4, 8 and so on.
- "W1/N" and so on: the weights after N steps, for some N, each at least twice the last one: where
  a chunk of steps ends.
- "predictions" (m, 10): the logits of test images with the final weights, without noise.
- "right" (m,): whether the final weights classify each test image right, as 0 or 1.

The first steps have all but "right". A whole run has only "loss" and "right".
"""


@dataclass
class Observer:
    """Observes the first steps of a training.

    Attributes:
        data: the images.
        alone: the number of steps that are taken one by one, to see the weights after each.
        found: what has been observed.
    """

    data: Dataset
    alone: int = 0
    found: Observed = field(default_factory=dict)
    _next: int = 1

    def after_chunk(self, model: Model, trained: Trained) -> None:
        """Observe a chunk of steps that ``model`` has just taken."""
        done = self._add_losses(trained)
        for step, logits in enumerate(trained.logits, done - len(trained.logits) + 1):
            if step <= self.alone or step & (step - 1) == 0:
                self.found[f"logits/{step}"] = np.array(logits)
        if done >= self._next:
            self._next = done + 1 if done < self.alone else 2 * done
            self.found |= {f"{name}/{done}": array for name, array in model.weights().items()}

    def at_end(self, model: Model, dtype: str) -> None:
        """Observe the trained network; ``dtype`` is that of its weights."""
        X = to_network(self.data.test_images[:TEST_IMAGES], dtype)
        self.found["predictions"] = _predict(model, X)

    def _add_losses(self, trained: Trained) -> int:
        """Append the losses of a chunk; return the number of steps so far."""
        losses = self.found.get("loss", np.empty(0))
        self.found["loss"] = np.concatenate([losses, trained.losses])
        return len(self.found["loss"])


class RunObserver(Observer):
    """Observes a whole run."""

    def after_chunk(self, model: Model, trained: Trained) -> None:
        """Observe only the losses."""
        self._add_losses(trained)

    def at_end(self, model: Model, dtype: str) -> None:
        """Observe which test images are classified right."""
        logits = _predict(model, to_network(self.data.test_images, dtype))
        self.found["right"] = (logits.argmax(axis=1) == self.data.test_labels).astype(np.float64)


def _predict(model: Model, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    with no_overflow_warnings():
        return np.array(model.predict(X))
