"""PyTorch: its matrix products, its own dropout, a DataLoader loop and Lightning."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from d2ldrop.bench.peers import Products
from d2ldrop.bench.products import (
    batches_of,
    one_after_another,
    one_thread_per_core,
    step_of_products,
)
from d2ldrop.core.recipe import Recipe
from d2ldrop.layer import dropout_layer

Array = npt.NDArray[Any]


def product_paths(X: Array, weights: list[Array], batch_size: int) -> dict[str, Products]:
    """Return the matrix products of an epoch: on all cores, and each batch on one core."""
    images = batches_of(torch.from_numpy(X), batch_size)
    Ws = [torch.tensor(W) for W in weights]

    def matmul(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
        return (a.T if transpose_a else a) @ (b.T if transpose_b else b)

    def step(x: Any) -> list[Array]:
        return [product.numpy() for product in step_of_products(matmul, x, Ws)]

    return {
        "@": one_after_another(step, images),
        "@, threads": one_thread_per_core(step, images),
    }


def trainers(X: Array, y: Array, recipe: Recipe) -> dict[str, Callable[[], None]]:
    """Return a DataLoader loop as in PyTorch's tutorials, and Lightning if it is installed."""
    data = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    loader = DataLoader(data, recipe.batch_size, shuffle=True)
    net = _net(recipe)
    optimiser = torch.optim.SGD(net.parameters(), recipe.lr)
    criterion = nn.CrossEntropyLoss()

    def loop() -> None:
        net.train()
        total, correct = 0.0, 0.0
        for images, labels in loader:
            logits = net(images)
            loss = criterion(logits, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(labels)
            correct += (logits.argmax(dim=1) == labels).sum().item()

    epochs = {"DataLoader loop": loop}
    if importlib.util.find_spec("lightning"):
        epochs["Lightning"] = _lightning(loader, recipe)
    return epochs


def _net(recipe: Recipe) -> nn.Sequential:
    sizes, p = recipe.sizes, recipe.dropout
    return nn.Sequential(
        nn.Linear(sizes[0], sizes[1]),
        nn.ReLU(),
        nn.Dropout(p[0]),
        nn.Linear(sizes[1], sizes[2]),
        nn.ReLU(),
        nn.Dropout(p[1]),
        nn.Linear(sizes[2], sizes[3]),
    ).to(getattr(torch, recipe.dtype))


def _lightning(loader: Any, recipe: Recipe) -> Callable[[], None]:
    warnings.simplefilter("ignore")  # Lightning gives advice on workers and logging
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    lightning: Any = importlib.import_module("lightning")  # an optional package

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = _net(recipe)

        def training_step(self, batch: Any, index: int) -> Any:
            images, labels = batch
            logits = self.net(images)
            loss = nn.functional.cross_entropy(logits, labels)
            accuracy = (logits.argmax(dim=1) == labels).float().mean()
            self.log_dict({"loss": loss, "accuracy": accuracy}, on_step=False, on_epoch=True)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), recipe.lr)

    module = Module()

    def epoch() -> None:
        trainer = lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, loader)

    return epoch


def own_dropout(X: Any, dropout: float) -> Any:
    """Apply ``nn.functional.dropout``."""
    return nn.functional.dropout(X, dropout)


def forward_backward(X: Any, dropout: float, step: int) -> Any:
    """Apply ``dropout_layer`` and return its gradient."""
    return _gradient(lambda x: dropout_layer(x, dropout, seed=0, step=step), X)


def own_forward_backward(X: Any, dropout: float) -> Any:
    """Apply ``nn.functional.dropout`` and return its gradient."""
    return _gradient(lambda x: nn.functional.dropout(x, dropout), X)


def _gradient(layer: Callable[[Any], Any], X: Any) -> Any:
    x = X.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x), x, grad_outputs=X)
    return gradient


def synchronise(x: Any) -> None:
    """Do nothing: operations on the CPU are finished when they return."""
