"""Exercise 4: why is dropout off at test time? Weight scaling compared with averages of samples.

Srivastava et al., "Dropout" (JMLR 15, 2014), section 7.5 and figure 11; Gal and Ghahramani,
arXiv:1506.02142 (2016).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from d2ldrop.data import Dataset, to_network
from d2ldrop.experiments.engine.definition import TEST_ERROR, Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import curves, panels
from d2ldrop.experiments.engine.measures import error_percent
from d2ldrop.experiments.engine.results import Entries, Results
from d2ldrop.experiments.engine.sentences import capital, versus
from d2ldrop.prediction import predict_mc
from d2ldrop.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAINED = "dropout"
OFF = "off: weight scaling"
SAMPLES = (1, 2, 5, 10, 20, 50, 100)


def arms(setting: Setting) -> list[Arm]:
    """Train one network; only its predictions differ."""
    return [Arm(TRAINED, setting.recipe)]


def measure(run: Run, data: Dataset) -> dict[str, float]:
    """Measure the test error (%) of the mean prediction over more and more masks."""
    images = to_network(data.test_images, run.recipe.dtype)
    total, errors = np.zeros((len(images), 10)), {}
    drawn = 0
    for number in SAMPLES:
        # Each sample has its own mask seed; earlier samples are not drawn again.
        for sample in range(drawn, number):
            total += predict_mc(
                run.weights, images, 1, dropout=run.recipe.dropout, seed=sample
            ).mean
        drawn = number
        errors[_key(number)] = error_percent(total, data.test_labels)
    return errors


def _key(number: int) -> str:
    return f"on: mean of {number}" if number > 1 else "on: 1 sample"


def compared(results: Results, metric: str) -> Entries:
    """Return the test errors with dropout off, and with dropout on by number of samples."""
    keys = [_key(number) for number in SAMPLES]
    errors = {key: results.last(TRAINED, key) for key in keys}
    return {OFF: results.last(TRAINED, "test_error"), **errors}


def draw(results: Results) -> Figure:
    """Draw the test error with dropout on minus that with dropout off, paired by seed."""
    figure, (axes,) = panels(1)
    errors = compared(results, "test_error")
    off = errors.pop(OFF)
    excess = np.stack([error - off for error in errors.values()], axis=1)
    label = "test error minus that of weight scaling (points)"
    curves(
        axes,
        {"dropout on, mean of samples": excess},
        SAMPLES,
        xlabel="samples (masks)",
        ylabel=label,
        log=True,
    )
    axes.axhline(0, color="#777777", linewidth=0.8)
    return figure


def conclude(results: Results) -> str:
    """Compare one sample, then the largest number of samples, with dropout off."""
    errors = compared(results, "test_error")
    one, most = (
        versus(name, errors[name], OFF, errors[OFF], "the test error")
        for name in (_key(SAMPLES[0]), _key(SAMPLES[-1]))
    )
    return f"{capital(one)}. {capital(most)}."


EXPERIMENT = Experiment(
    question="Why is dropout not left on at test time?",
    arms=arms,
    baseline=OFF,
    metrics=TEST_ERROR,
    draw=draw,
    conclude=conclude,
    measure=measure,
    compared=compared,
)
