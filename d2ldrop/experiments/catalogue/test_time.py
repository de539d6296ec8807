"""Exercise 4: why is dropout not used at test time? Weight scaling against averages of samples.

Srivastava et al., "Dropout" (JMLR 15, 2014), section 7.5 and figure 11; Gal and Ghahramani,
arXiv:1506.02142 (2016).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from d2ldrop.data import Dataset, to_network
from d2ldrop.experiments.engine.experiment import (
    TEST_ERROR,
    Arm,
    Compared,
    Experiment,
    Results,
    Setting,
)
from d2ldrop.experiments.engine.figures import curves, panels
from d2ldrop.experiments.engine.measures import error
from d2ldrop.experiments.engine.sentences import capital, versus
from d2ldrop.prediction import predict_mc
from d2ldrop.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAINED = "dropout"
OFF = "off: weight scaling"
SAMPLES = (1, 2, 5, 10, 20, 50, 100)


def arms(setting: Setting) -> list[Arm]:
    """One network; what differs is how it predicts."""
    return [Arm(TRAINED, setting.recipe)]


def measure(run: Run, data: Dataset) -> dict[str, float]:
    """The test error with dropout on, averaged over more and more masks."""
    images = to_network(data.test_images, run.recipe.dtype)
    total, found = np.zeros((len(images), 10)), {}
    before = 0
    for number in SAMPLES:
        # Masks of a seed of their own: the mean of all so far, from those of the steps between.
        for sample in range(before, number):
            total += predict_mc(
                run.weights, images, 1, dropout=run.recipe.dropout, seed=sample
            ).mean
        before = number
        found[_key(number)] = error(total, data.test_labels)
    return found


def _key(number: int) -> str:
    return f"on: mean of {number}" if number > 1 else "on: 1 sample"


def compared(results: Results, metric: str) -> Compared:
    """Dropout off, then on with one sample and more."""
    keys = [_key(number) for number in SAMPLES]
    errors = {key: results.last(TRAINED, key) for key in keys}
    return {OFF: results.last(TRAINED, "test_error"), **errors}


def draw(results: Results) -> Figure:
    """By how much the test error with dropout on exceeds that without, seed by seed."""
    figure, (axes,) = panels(1)
    errors = compared(results, "test_error")
    off = errors.pop(OFF)
    excess = np.stack([error - off for error in errors.values()], axis=1)
    label = "test error less that of weight scaling (points)"
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
    """One sample, then the most."""
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
