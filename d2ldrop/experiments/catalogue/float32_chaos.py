"""How two frameworks part in float32, and stay together in float64.

The masks, batches and initial weights are the same; what differs is the order in which each
framework adds. README, "Why float32 runs part ways".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from d2ldrop.data import Dataset
from d2ldrop.experiments.engine.experiment import (
    Arm,
    Compared,
    Experiment,
    Float64,
    Results,
    Setting,
)
from d2ldrop.experiments.engine.figures import panels, style
from d2ldrop.frameworks import title
from d2ldrop.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EPOCHS = 2
DTYPES = ("float32", "float64")
REFERENCE = "numpy"
LABELS = {"largest": "log10 of the largest difference of a step's loss (nats)"}


def arms(setting: Setting) -> list[Arm]:
    """NumPy and another framework, in both dtypes.

    Raises:
        ValueError: there is no other framework.
    """
    recipe, backend = setting.recipe, setting.backend
    if backend == REFERENCE:
        others = [name for name in setting.usable if name != REFERENCE]
        if not others:
            raise ValueError("float32-chaos compares NumPy with a framework: none is installed")
        backend = others[0]
    short = replace(recipe, num_epochs=min(EPOCHS, recipe.num_epochs))
    return [
        Arm(f"{title(name)}, {dtype}", replace(short, dtype=dtype), backend=name)
        for dtype in DTYPES
        for name in (REFERENCE, backend)
    ]


def measure(run: Run, data: Dataset) -> dict[str, Any]:
    """The loss of every step."""
    return {"trace": run.trace.tolist()}


def differences(results: Results, dtype: str) -> Float64:
    """How far the two losses are apart, (seeds, steps)."""
    first, second = (
        np.array([results.runs[arm.name, seed]["measured"][-1]["trace"] for seed in results.seeds])
        for arm in results.arms
        if arm.recipe.dtype == dtype
    )
    difference: Float64 = np.abs(first - second)
    return difference


def compared(results: Results, metric: str) -> Compared:
    """The largest difference of each dtype, in powers of ten."""
    tiny = np.finfo(np.float64).tiny  # where all losses are equal
    return {
        dtype: np.log10(np.maximum(differences(results, dtype).max(axis=1), tiny))
        for dtype in DTYPES
    }


def draw(results: Results) -> Figure:
    """The differences over the steps, a line a seed."""
    figure, (axes,) = panels(1)
    for index, dtype in enumerate(DTYPES):
        look = {**style(index), "marker": ""}
        for number, row in enumerate(differences(results, dtype)):
            steps = np.flatnonzero(row)  # a logarithm has no zero
            label = dtype if number == 0 else None
            axes.plot(steps + 1, row[steps], label=label, linewidth=0.8, **look)
    axes.set_yscale("log")
    names = " and ".join(dict.fromkeys(arm.name.split(",")[0] for arm in results.arms))
    axes.set(xlabel="step", ylabel=f"difference of the loss, {names} (nats)")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def conclude(results: Results) -> str:
    """How far apart, in each dtype."""
    single, double = compared(results, "largest").values()
    return (
        f"In float32 the losses of a step come to differ by {10 ** single.mean():.1e} nats "
        f"(geometric mean over seeds), in float64 by {10 ** double.mean():.1e}. "
        f"The largest of any seed are {10 ** single.max():.1e} and {10 ** double.max():.1e} nats."
    )


EXPERIMENT = Experiment(
    question="How do two frameworks part in float32, and do they stay together in float64?",
    arms=arms,
    baseline="float32",
    metrics=LABELS,
    draw=draw,
    conclude=conclude,
    measure=measure,
    compared=compared,
)
