"""First-layer weights and sparsity of the activations, with and without dropout.

Srivastava et al., "Dropout" (JMLR 15, 2014), sections 7.1 and 7.2, figures 7 and 8.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from d2ldrop.data import Dataset, to_network
from d2ldrop.experiments.engine.definition import Arm, Experiment, Setting
from d2ldrop.experiments.engine.results import Float64, Results
from d2ldrop.experiments.engine.sentences import capital, versus
from d2ldrop.training.layer_statistics import hidden_statistics
from d2ldrop.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITH, WITHOUT = "with dropout", "without"
UNITS, COLUMNS = 16, 4
"""The most units in the figure, and how many of them stand side by side."""
STRONGEST = 0.1
LABELS = {
    "zeros_1": "activations that are 0, hidden layer 1 (%)",
    "zeros_2": "activations that are 0, hidden layer 2 (%)",
    "mean_1": "mean activation, hidden layer 1",
    "mean_2": "mean activation, hidden layer 2",
    "concentration": "share of a unit's squared weights in its strongest tenth of pixels (%)",
}


def arms(setting: Setting) -> list[Arm]:
    """Train with and without dropout."""
    return [Arm(WITH, setting.recipe), Arm(WITHOUT, replace(setting.recipe, dropout=(0, 0)))]


def measure(run: Run, data: Dataset) -> dict[str, Any]:
    """Measure the hidden layers without dropout, and how local the features are.

    "units" holds the weights of the first units, for the figure.
    """
    images = to_network(data.test_images, run.recipe.dtype)
    epoch = len(run.history) - 1
    layers = hidden_statistics(run.weights, images, run.recipe, epoch, len(run.trace) - 1)[
        "evaluation"
    ]
    W1 = run.weights["W1"].astype(np.float64)
    squares = np.sort(W1**2, axis=0)
    totals = squares.sum(axis=0)
    shares = squares[-round(STRONGEST * len(W1)) :].sum(axis=0)[totals > 0] / totals[totals > 0]
    return {
        **{f"zeros_{i}": 100 * layer["zeros"] for i, layer in enumerate(layers, 1)},
        **{f"mean_{i}": layer["mean"] for i, layer in enumerate(layers, 1)},
        "concentration": float(100 * shares.mean()) if shares.size else 0.0,
        "units": W1[:, :UNITS].T.round(5).tolist(),
    }


def draw(results: Results) -> Figure:
    """Draw the weights of the first units as images, of one run per arm, on one colour scale."""
    from matplotlib.figure import Figure

    units = {name: _units(results, name) for name in results.names}
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    shown = [one for _, one in units.values() if one is not None]
    limit = np.quantile(np.abs(shown), 0.99) if shown else 1.0
    places = figure.add_gridspec(1, len(units))
    for index, (name, (seed, weights)) in enumerate(units.items()):
        half = figure.add_subfigure(places[0, index])
        if weights is None:
            half.text(0.5, 0.5, f"{name}: all runs diverged", ha="center", va="center")
            continue
        n = len(weights)
        half.suptitle(f"{name}: W1 of {n} unit{'s' if n > 1 else ''}, seed {seed}", fontsize=9)
        all_axes = half.subplots(-(-n // COLUMNS), min(n, COLUMNS), squeeze=False).ravel().tolist()
        for axes in all_axes:
            axes.set_axis_off()
        for axes, unit in zip(all_axes, weights, strict=False):  # the last row may be incomplete
            axes.imshow(unit.reshape(28, 28), cmap="gray", vmin=-limit, vmax=limit)
        half.colorbar(all_axes[0].images[0], ax=all_axes, label="weight", shrink=0.8)
    return figure


def _units(results: Results, name: str) -> tuple[int, Float64 | None]:
    """The first seed of an arm whose run did not diverge, and its weights, (units, 784)."""
    for seed, diverged in zip(results.seeds, results.diverged(name), strict=True):
        if not diverged:
            return seed, np.array(results.runs[name, seed]["measured"][-1]["units"], float)
    return results.seeds[0], None


def conclude(results: Results) -> str:
    """Compare how local the features are, and how sparse the first layer is."""
    local, sparse = (
        versus(WITH, results.last(WITH, key), WITHOUT, results.last(WITHOUT, key), what)
        for key, what in (
            ("concentration", "the share of the strongest tenth of the pixels"),
            ("zeros_1", "the share of zeros in hidden layer 1"),
        )
    )
    return f"{capital(local)}. {capital(sparse)}."


EXPERIMENT = Experiment(
    question="Which features does the first layer learn, and how sparse are the activations?",
    arms=arms,
    baseline=WITHOUT,
    metrics=LABELS,
    draw=draw,
    conclude=conclude,
    measure=measure,
)
