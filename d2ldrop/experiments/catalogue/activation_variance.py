"""Exercise 3: the variance of the activations over time, with and without dropout."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from d2ldrop.data import Dataset, to_network
from d2ldrop.experiments.engine.definition import Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import curves, panels
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.sentences import capital, versus
from d2ldrop.training.layer_statistics import hidden_statistics
from d2ldrop.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITH, WITHOUT = "with dropout", "without"
LABELS = {
    "evaluation_1": "variance, hidden layer 1, dropout off",
    "evaluation_2": "variance, hidden layer 2, dropout off",
    "training_1": "variance, hidden layer 1, dropout on",
    "training_2": "variance, hidden layer 2, dropout on",
}


def arms(setting: Setting) -> list[Arm]:
    """Train with and without dropout."""
    return [Arm(WITH, setting.recipe), Arm(WITHOUT, replace(setting.recipe, dropout=(0, 0)))]


def measure(run: Run, data: Dataset) -> dict[str, float]:
    """Measure the variance of each layer's output over all test images and units."""
    images = to_network(data.test_images, run.recipe.dtype)
    epoch = len(run.history) - 1
    layers = hidden_statistics(run.weights, images, run.recipe, epoch, len(run.trace) - 1)
    return {
        f"{mode}_{layer}": statistics["variance"]
        for mode, of_layers in (
            ("evaluation", layers["evaluation"]),
            ("training", layers["training"]),
        )
        for layer, statistics in enumerate(of_layers, start=1)
    }


def draw(results: Results) -> Figure:
    """Draw one panel per layer with both networks, dropout on and off."""
    figure, all_axes = panels(2)
    for layer, axes in enumerate(all_axes, start=1):
        lines = {
            f"{WITH}, on": results.curve(WITH, f"training_{layer}"),
            f"{WITH}, off": results.curve(WITH, f"evaluation_{layer}"),
            WITHOUT: results.curve(WITHOUT, f"evaluation_{layer}"),
        }
        curves(axes, lines, ylabel=f"variance of the activations, hidden layer {layer}")
    return figure


def conclude(results: Results) -> str:
    """Compare the variance of each layer with dropout off."""
    first, second = (
        versus(
            WITH,
            results.last(WITH, f"evaluation_{layer}"),
            WITHOUT,
            results.last(WITHOUT, f"evaluation_{layer}"),
            f"the variance of hidden layer {layer}",
            unit="",
        )
        for layer in (1, 2)
    )
    return f"With dropout off, after the last epoch, {first}. {capital(second)}."


EXPERIMENT = Experiment(
    question="What is the variance of the activations in each hidden layer, over time?",
    arms=arms,
    baseline=WITHOUT,
    metrics=LABELS,
    draw=draw,
    conclude=conclude,
    measure=measure,
    each_epoch=True,
)
