"""The two implementations that the loop trains: from scratch and concise, as the book calls them.

A new model is built for every epoch, from the weights of the previous epoch. So a schedule can
change the dropout, and a run that is killed between two epochs loses nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from d2ldrop.backend import Backend, TrainSteps, concise_backend
from d2ldrop.core.arrays import Weights
from d2ldrop.core.noise import LayerNoise, Noise
from d2ldrop.core.randomness import native_seed
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import to_network
from d2ldrop.frameworks import framework, frameworks
from d2ldrop.prediction import scale_weights
from d2ldrop.training.divergence import check_concise_lr
from d2ldrop.training.step_noise import draw_noise, drop_pixels, hidden_rates, input_rate

IMPLEMENTATIONS = ("scratch", "concise")


class Chunk(NamedTuple):
    """Consecutive training steps, each on a batch of n images."""

    steps: range
    """Numbers of the k steps, counted from the first step of the run."""
    images: npt.NDArray[np.uint8]
    """Shape (k, n, 28, 28)."""
    labels: npt.NDArray[np.int64]
    """Shape (k, n)."""


class Trained(NamedTuple):
    """Results of a chunk of k steps; each step computes them before its update."""

    losses: npt.NDArray[np.float64]
    """Shape (k,)."""
    logits: npt.NDArray[Any]
    """Shape (k, n, 10)."""


class Model(Protocol):
    """A network that can be trained, on one framework."""

    def train(self, chunk: Chunk) -> Trained:
        """Take the steps of a chunk."""
        ...

    def predict(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Logits (n, 10) of images X (n, 784), without noise."""
        ...

    def weights(self) -> dict[str, npt.NDArray[Any]]:
        """NumPy copies of the weights, W as inputs × outputs."""
        ...


class _StepByStep:
    """Takes the steps of a chunk one by one; subclasses define a single step."""

    def __init__(
        self, backend: Backend[Any], weights: Weights, recipe: Recipe, epoch: int, device: str
    ) -> None:
        self.backend, self.recipe, self.epoch, self.device = backend, recipe, epoch, device
        self.names = list(weights)

    def train(self, chunk: Chunk) -> Trained:
        """Take all steps, then read the results: reading makes Python wait for the framework."""
        taken = [self._step(*batch) for batch in zip(*chunk, strict=True)]
        to_numpy = self.backend.to_numpy
        return Trained(
            np.array([to_numpy(loss) for loss, _ in taken], np.float64),
            np.stack([to_numpy(logits) for _, logits in taken]),
        )

    def _step(
        self, step: int, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
    ) -> tuple[Any, Any]:
        """Loss and logits of one step, arrays of the framework."""
        raise NotImplementedError

    def _inputs(self, step: int, images: npt.NDArray[np.uint8]) -> Any:
        """The batch as an array of the framework, with dropout on the pixels."""
        X = to_network(images, self.recipe.dtype)
        if self.recipe.rng == "shared":
            X = drop_pixels(X, self.recipe, self.epoch, step)
            return self.backend.from_numpy(X, self.device)
        p = input_rate(self.recipe, self.epoch)
        return self.backend.dropout_layer(self.backend.from_numpy(X, self.device), p)


class Scratch(_StepByStep):
    """The backend's functions from scratch; they support every noise and every regulariser."""

    def __init__(
        self, backend: Backend[Any], weights: Weights, recipe: Recipe, epoch: int, device: str
    ) -> None:
        super().__init__(backend, weights, recipe, epoch, device)
        self.params = backend.init_params(list(weights.values()), device)

    def _step(
        self, step: int, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
    ) -> tuple[Any, Any]:
        backend, recipe = self.backend, self.recipe
        first, second = draw_noise(recipe, self.epoch, step, len(labels))
        self.params, loss, logits = backend.train_step(
            self.params,
            self._inputs(step, images),
            backend.from_numpy(labels, self.device),
            recipe.lr,
            (self._on_device(first), self._on_device(second)),
            recipe.weight_decay,
        )
        if recipe.max_norm is not None:
            self.params = backend.clip_norms(self.params, recipe.max_norm)
        return loss, logits

    def _on_device(self, noise: LayerNoise) -> LayerNoise:
        """The noise with its mask as an array of the framework."""
        if noise.mask is None:
            return noise
        return noise._replace(mask=self.backend.from_numpy(noise.mask, self.device))

    def predict(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Logits without noise; with scaling "original" the weights are scaled first."""
        params = self.params
        if self.recipe.scaling == "original":
            scaled = scale_weights(self.weights(), self.recipe.dropout)
            params = self.backend.init_params(list(scaled.values()), self.device)
        logits = self.backend.predict(params, self.backend.from_numpy(X, self.device))
        return self.backend.to_numpy(logits)

    def weights(self) -> dict[str, npt.NDArray[Any]]:
        """Copies: later steps may update the parameters in place."""
        arrays = [self.backend.to_numpy(param).copy() for param in self.params]
        return dict(zip(self.names, arrays, strict=True))


class CompiledScratch(Scratch):
    """Scratch, with all steps of a chunk in one call of a compiled function."""

    def __init__(self, train_steps: TrainSteps, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.train_steps = train_steps

    def train(self, chunk: Chunk) -> Trained:
        """Take all steps in one call; run a smaller last batch uncompiled, to compile only once."""
        n = chunk.labels.shape[1]
        if n < self.recipe.batch_size:
            return super().train(chunk)
        backend, recipe = self.backend, self.recipe
        X = to_network(chunk.images.reshape(-1, *chunk.images.shape[2:]), recipe.dtype)
        X = X.reshape(*chunk.labels.shape, -1)
        if input_rate(recipe, self.epoch) > 0:
            steps = zip(X, chunk.steps, strict=True)
            X = np.stack([drop_pixels(batch, recipe, self.epoch, step) for batch, step in steps])
        self.params, losses, logits = self.train_steps(
            self.params,
            backend.from_numpy(X, self.device),
            backend.from_numpy(chunk.labels, self.device),
            recipe.lr,
            self._noise(chunk.steps, n),
            recipe.weight_decay,
            recipe.max_norm,
        )
        return Trained(backend.to_numpy(losses).astype(np.float64), backend.to_numpy(logits))

    def _noise(self, steps: range, n: int) -> Noise:
        """The noise of all steps; the first axis of a mask counts the steps."""
        drawn = [draw_noise(self.recipe, self.epoch, step, n) for step in steps]
        first, second = (
            site[0]
            if site[0].mask is None
            else site[0]._replace(mask=np.stack([noise.mask for noise in site]))
            for site in zip(*drawn, strict=True)
        )
        return self._on_device(first), self._on_device(second)


class Concise(_StepByStep):
    """The framework's own layers, dropout, loss and optimiser."""

    def __init__(
        self, backend: Backend[Any], weights: Weights, recipe: Recipe, epoch: int, device: str
    ) -> None:
        super().__init__(backend, weights, recipe, epoch, device)
        self.concise = concise_backend(backend)
        noise = "dropout" if recipe.noise == "none" else recipe.noise
        rates = hidden_rates(recipe, epoch)
        self.net, self.trainer = self.concise.concise_mlp(
            list(weights.values()), rates, recipe.lr, noise, device
        )

    def _step(
        self, step: int, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
    ) -> tuple[Any, Any]:
        X, y = self._inputs(step, images), self.backend.from_numpy(labels, self.device)
        return self.concise.concise_step(self.net, self.trainer, X, y)

    def predict(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Logits without noise."""
        images = self.backend.from_numpy(X, self.device)
        return self.backend.to_numpy(self.concise.concise_predict(self.net, images))

    def weights(self) -> dict[str, npt.NDArray[Any]]:
        """Copies: later steps may update the parameters in place."""
        arrays = [array.copy(order="C") for array in self.concise.concise_params(self.net)]
        return dict(zip(self.names, arrays, strict=True))


def make_model(
    implementation: str,
    backend: Backend[Any],
    train_steps: TrainSteps | None,
    weights: Weights,
    recipe: Recipe,
    epoch: int,
    device: str,
) -> Model:
    """The model of one epoch, starting from ``weights``.

    With ``rng="native"`` this seeds the framework's generator, which is global in most frameworks.

    Args:
        implementation: "scratch" or "concise".
        backend: the framework's module.
        train_steps: the framework's compiled training steps, if it has any.
        weights: W1, b1, W2, b2, W3, b3.
        recipe: the hyper-parameters.
        epoch: counted from 0.
        device: "cpu" or "gpu:N".
    """
    arguments = backend, weights, recipe, epoch, device
    if recipe.rng == "native":
        backend.manual_seed(native_seed(recipe.seed, epoch))
    if implementation == "concise":
        return Concise(*arguments)
    if train_steps is None or recipe.rng == "native":  # a graph would draw the same masks again
        return Scratch(*arguments)
    return CompiledScratch(train_steps, *arguments)


def recipe_for(backend: str, recipe: Recipe, implementation: str) -> Recipe:
    """The recipe that ``implementation`` runs; concise always uses the framework's generator.

    Raises:
        ValueError: an unknown implementation, or one that does not support the recipe.
    """
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(
            f"implementation must be one of {', '.join(IMPLEMENTATIONS)}, got {implementation!r}"
        )
    if implementation == "scratch":
        if recipe.rng == "native" and recipe.noise not in ("dropout", "none"):
            raise ValueError(
                f"rng must be 'shared' with noise {recipe.noise!r}: a backend itself "
                "draws only dropout masks, got 'native'"
            )
        return recipe
    _check_concise(backend, recipe)
    return replace(recipe, rng="native")


def _check_concise(backend: str, recipe: Recipe) -> None:
    """Raise ValueError if the framework's own layers do not support the recipe."""
    check_concise_lr(recipe.lr)
    facts, noise = framework(backend), recipe.noise
    if noise not in ("dropout", "none", *facts.concise_noises):
        able = [name for name, other in frameworks().items() if noise in other.concise_noises]
        raise ValueError(
            f"implementation 'concise' of {backend} cannot do noise {noise!r}: "
            f"{', '.join(able) or 'no framework'} has a layer for it; "
            "implementation 'scratch' can, on every backend"
        )
    limit, why = facts.concise_limits.get(noise, (1.0, ""))
    if max(recipe.dropout) > limit:
        raise ValueError(
            f"dropout must be at most {limit} with noise {noise!r} and implementation 'concise' of "
            f"{backend}, whose {why}, got {recipe.dropout}; implementation 'scratch' takes it"
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
