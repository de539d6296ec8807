"""Two frameworks diverge in float32 and agree in float64.

Masks, batches and initial weights are the same. The frameworks add in different orders, and
training amplifies the rounding errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from d2ldrop.data import Dataset
from d2ldrop.experiments.engine.definition import Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import panels, style
from d2ldrop.experiments.engine.results import Entries, Float64, Results
from d2ldrop.frameworks import title
from d2ldrop.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EPOCHS = 2
DTYPES = ("float32", "float64")
REFERENCE = "numpy"
LABELS = {"largest": "log10 of the largest difference of a step's loss (nats)"}


def backends(backend: str, usable: Sequence[str]) -> list[str]:
    """Choose NumPy and another framework: the user's, or the first usable one.

    Raises:
        ValueError: no other framework is usable here.
    """
    if backend == REFERENCE:
        others = [name for name in usable if name != REFERENCE]
        if not others:
            raise ValueError(
                "float32-chaos compares NumPy with another framework, and none is installed: "
                "'d2ldrop backends' says how to install one"
            )
        backend = others[0]
    return [REFERENCE, backend]


def arms(setting: Setting) -> list[Arm]:
    """Train with both frameworks, in both dtypes."""
    recipe = setting.recipe
    short = replace(recipe, num_epochs=min(EPOCHS, recipe.num_epochs))
    return [
        Arm(f"{title(name)}, {dtype}", replace(short, dtype=dtype), backend=name)
        for dtype in DTYPES
        for name in setting.backends
    ]


def measure(run: Run, data: Dataset) -> dict[str, Any]:
    """Record the loss of every step."""
    return {"trace": run.trace.tolist()}


def differences(results: Results, dtype: str) -> Float64:
    """Return the absolute difference of the two losses, shape (seeds, steps).

    It is NaN for a seed for which one of the two runs diverged.
    """
    first, second = (
        np.where(results.diverged(arm.name)[:, None], np.nan, _traces(results, arm.name))
        for arm in results.arms
        if arm.recipe.dtype == dtype
    )
    difference: Float64 = np.abs(first - second)
    return difference


def _traces(results: Results, arm: str) -> Float64:
    """The loss of every step, shape (seeds, steps)."""
    return np.array(
        [results.runs[arm, seed]["measured"][-1]["trace"] for seed in results.seeds], float
    )


def compared(results: Results, metric: str) -> Entries:
    """Return log10 of the largest difference, by dtype."""
    tiny = np.finfo(np.float64).tiny  # equal losses: log10(0) is not finite
    return {
        dtype: np.log10(np.maximum(differences(results, dtype).max(axis=1), tiny))
        for dtype in DTYPES
    }


def draw(results: Results) -> Figure:
    """Draw the differences over the steps, one line per seed."""
    figure, (axes,) = panels(1)
    for index, dtype in enumerate(DTYPES):
        look = {**style(index), "marker": ""}
        for number, row in enumerate(differences(results, dtype)):
            steps = np.flatnonzero(row)  # a logarithmic axis has no 0
            label = dtype if number == 0 else None
            axes.plot(steps + 1, row[steps], label=label, linewidth=0.8, **look)
    axes.set_yscale("log")
    names = " and ".join(dict.fromkeys(arm.name.split(",")[0] for arm in results.arms))
    axes.set(xlabel="step", ylabel=f"absolute difference of the loss, {names} (nats)")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def conclude(results: Results) -> str:
    """State the largest differences in each dtype."""
    finite = {
        dtype: logs[np.isfinite(logs)] for dtype, logs in compared(results, "largest").items()
    }
    nothing = [dtype for dtype, logs in finite.items() if not logs.size]
    if nothing:
        return (
            f"For every seed a run in {' and in '.join(nothing)} diverged, so the losses cannot be "
            "compared."
        )
    single, double = finite.values()
    return (
        f"The largest difference of a step's loss is {10 ** single.mean():.1e} nats in float32 "
        f"and {10 ** double.mean():.1e} in float64 (geometric means over seeds). "
        f"The largest of all seeds are {10 ** single.max():.1e} and {10 ** double.max():.1e} nats."
    )


EXPERIMENT = Experiment(
    question="Do two frameworks diverge in float32, and do they agree in float64?",
    arms=arms,
    baseline="float32",
    metrics=LABELS,
    backends=backends,
    draw=draw,
    conclude=conclude,
    measure=measure,
    compared=compared,
)
