"""The two implementations that the loop trains: the book's functions, and the framework's layers.

Both are made anew for every epoch, from the weights that the epoch before has left: so a schedule
can change the dropout, and a run that is killed between two epochs loses nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from d2ldrop.backend import Backend
from d2ldrop.core.arrays import Weights
from d2ldrop.core.noise import draw_noise, dropout_in, noisy_input
from d2ldrop.core.randomness import native_seed
from d2ldrop.core.recipe import Recipe
from d2ldrop.prediction import scale_weights

IMPLEMENTATIONS = ("scratch", "concise")
IMAGES_AT_ONCE = 18 * 256
"""Images in one call of a backend's ``train_steps``: 13 such calls are an epoch of the book's."""
CONCISE_NOISES = {
    "tensorflow": ("gaussian", "additive", "unit"),
    "mxnet": ("unit",),
    "paddle": ("unit",),
}
"""For which noise besides dropout a framework has a layer."""
CONCISE_LIMITS = {
    ("mxnet", "dropout"): (0.9999, "Dropout makes NaN of 1"),
    ("mxnet", "unit"): (0.9999, "Dropout makes NaN of 1"),
    ("tensorflow", "additive"): (0.5, "GaussianNoise has a standard deviation of at most 1"),
}
"""The largest dropout that a framework's layer takes, and why it takes no more."""


class Model(Protocol):
    """A network with its weights and what trains it; arrays are the framework's."""

    at_once: int
    """Steps that one call takes at most."""

    def steps(self, X: npt.NDArray[Any], y: npt.NDArray[np.int64], steps: range) -> tuple[Any, Any]:
        """Train on batches X (k · n, 784), y (k · n,), one after another: a step on each n.

        ``steps`` are k numbers, counted from the run's first step; k is 1 or ``at_once``. Returns
        the framework's arrays: each step's loss, and the logits before it; (k,) and (k, n, 10), or
        () and (n, 10) of one step.
        """
        ...

    def predict(self, X: Any) -> Any:
        """Logits (n, 10) of X (n, 784), without noise."""
        ...

    def weights(self) -> dict[str, npt.NDArray[Any]]:
        """NumPy copies of the weights, W as inputs × outputs."""
        ...


class Scratch:
    """The backend's functions from scratch: every noise, every regulariser."""

    def __init__(
        self, module: Backend[Any], weights: Weights, recipe: Recipe, epoch: int, device: str
    ) -> None:
        self.module, self.recipe, self.epoch, self.device = module, recipe, epoch, device
        self.names = list(weights)
        self.params = module.init_params(list(weights.values()), device)
        # Several in one call, where the backend can and a step is its train_step, nothing else.
        self.train_steps = getattr(module, "train_steps", None)
        alone = recipe.rng == "shared" and recipe.input_dropout == 0 and recipe.max_norm is None
        together = self.train_steps and alone
        self.at_once = max(1, IMAGES_AT_ONCE // recipe.batch_size) if together else 1

    def steps(self, X: npt.NDArray[Any], y: npt.NDArray[np.int64], steps: range) -> tuple[Any, Any]:
        """Train on one batch, or on several in one call."""
        module, recipe, k = self.module, self.recipe, len(steps)
        noises = [draw_noise(recipe, self.epoch, step, len(y) // k) for step in steps]
        sites = list(zip(*(noise.masks for noise in noises), strict=True))
        train: Any = module.train_step
        if k > 1:
            train = self.train_steps
            X, y = X.reshape(k, -1, X.shape[1]), y.reshape(k, -1)
        first, second = (
            None
            if site[0] is None
            else module.from_numpy(np.stack(site) if k > 1 else site[0], self.device)
            for site in sites
        )
        images = module.from_numpy(X, self.device)
        self.params, losses, logits = train(
            self.params,
            noisy_input(module, images, recipe, self.epoch, steps[0]),
            module.from_numpy(y, self.device),
            recipe.lr,
            noises[0].dropout,
            (first, second),
            noises[0].kind,
            recipe.weight_decay,
        )
        if recipe.max_norm is not None:
            self.params = module.clip_norms(self.params, recipe.max_norm)
        return losses, logits

    def predict(self, X: Any) -> Any:
        """Logits without noise; in the original form with the weights scaled."""
        params = self.params
        if self.recipe.scaling == "original":
            scaled = scale_weights(self.weights(), self.recipe.dropout)
            params = self.module.init_params(list(scaled.values()), self.device)
        return self.module.predict(params, X)

    def weights(self) -> dict[str, npt.NDArray[Any]]:
        """Copies, for later steps may update the parameters in place."""
        arrays = [self.module.to_numpy(param).copy() for param in self.params]
        return dict(zip(self.names, arrays, strict=True))


class Concise:
    """The framework's own layers, dropout, loss and optimiser."""

    def __init__(
        self, module: Backend[Any], weights: Weights, recipe: Recipe, epoch: int, device: str
    ) -> None:
        if not hasattr(module, "concise_mlp"):
            raise ValueError(
                f"{getattr(module, '__name__', 'the backend')} lacks concise_mlp: "
                "implementation 'scratch' trains it"
            )
        self.module, self.recipe, self.epoch, self.device = module, recipe, epoch, device
        self.names, self.at_once = list(weights), 1
        self.net, self.trainer = module.concise_mlp(
            list(weights.values()),
            dropout_in(recipe, epoch)[1],
            recipe.lr,
            "dropout" if recipe.noise == "none" else recipe.noise,
            device,
        )

    def steps(self, X: npt.NDArray[Any], y: npt.NDArray[np.int64], steps: range) -> tuple[Any, Any]:
        """Train on one batch; the masks are the framework's own."""
        images = self.module.from_numpy(X, self.device)
        images = noisy_input(self.module, images, self.recipe, self.epoch, steps[0])
        labels = self.module.from_numpy(y, self.device)
        return self.module.concise_step(self.net, self.trainer, images, labels)

    def predict(self, X: Any) -> Any:
        """Logits without noise."""
        return self.module.concise_predict(self.net, X)

    def weights(self) -> dict[str, npt.NDArray[Any]]:
        """Copies, for later steps may update the parameters in place."""
        arrays = [array.copy(order="C") for array in self.module.concise_params(self.net)]
        return dict(zip(self.names, arrays, strict=True))


def make_model(
    implementation: str,
    module: Backend[Any],
    weights: Weights,
    recipe: Recipe,
    epoch: int,
    device: str,
) -> Model:
    """The model of one epoch, beginning with ``weights``.

    With ``rng="native"`` the framework's generator, global in most, is seeded here.
    """
    if recipe.rng == "native":
        module.manual_seed(native_seed(recipe.seed, epoch))
    kind = Concise if implementation == "concise" else Scratch
    return kind(module, weights, recipe, epoch, device)


def recipe_for(backend: str, recipe: Recipe, implementation: str) -> Recipe:
    """The recipe as ``implementation`` runs it: concise draws from the framework's generator.

    Raises:
        ValueError: no such implementation, or one that cannot do what the recipe asks for.
    """
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(
            f"implementation must be one of {', '.join(IMPLEMENTATIONS)}, got {implementation!r}"
        )
    if implementation == "scratch":
        if recipe.rng == "native" and recipe.noise not in ("dropout", "none"):
            raise ValueError(
                f"rng must be 'shared' with noise {recipe.noise!r}: a backend draws nothing but "
                "dropout's masks by itself, got 'native'"
            )
        return recipe
    if recipe.noise not in ("dropout", "none", *CONCISE_NOISES.get(backend, ())):
        able = [name for name, noises in CONCISE_NOISES.items() if recipe.noise in noises]
        raise ValueError(
            f"implementation 'concise' of {backend} cannot do noise {recipe.noise!r}: "
            f"{', '.join(able) or 'no framework'} has a layer for it; "
            "implementation 'scratch' can, on every backend"
        )
    limit, why = CONCISE_LIMITS.get((backend, recipe.noise), (1.0, ""))
    if max(recipe.dropout) > limit:
        raise ValueError(
            f"dropout must be at most {limit} with noise {recipe.noise!r} and implementation "
            f"'concise' of {backend}, whose {why}, got {recipe.dropout}; implementation 'scratch' "
            "takes it"
        )
    plain = Recipe()
    for name in ("scaling", "weight_decay", "max_norm"):
        value = getattr(recipe, name)
        if value != getattr(plain, name):
            raise ValueError(
                "implementation 'concise' has the framework's own dropout and plain SGD: "
                f"{name} must be {getattr(plain, name)!r}, got {value!r}; "
                "implementation 'scratch' takes it"
            )
    return replace(recipe, rng="native")
