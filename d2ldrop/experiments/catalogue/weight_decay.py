"""Exercise 5: do the effects of dropout and weight decay add up, diminish or cancel?"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from d2ldrop.experiments.engine.definition import TEST_ERROR, Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import error_dots
from d2ldrop.experiments.engine.results import Entries, Results
from d2ldrop.experiments.engine.sentences import capital, versus
from d2ldrop.experiments.engine.statistics import estimate

STRENGTHS = (0.0, 1e-4, 3e-4, 1e-3)
NEITHER = "no dropout, decay 0"


def _name(dropout: bool, strength: float) -> str:
    return f"{'dropout' if dropout else 'no dropout'}, decay {strength:g}"


def arms(setting: Setting) -> list[Arm]:
    """Train with and without dropout, each at four strengths of weight decay."""
    return [
        Arm(
            _name(on, strength),
            replace(
                setting.recipe,
                dropout=setting.recipe.dropout if on else (0, 0),
                weight_decay=strength,
            ),
        )
        for on in (False, True)
        for strength in STRENGTHS
    ]


def _best_strength(errors: Entries) -> float:
    """Return the decay strength with the lowest mean error without dropout."""
    means = {s: estimate(errors[_name(False, s)]).mean for s in STRENGTHS[1:]}
    return min(means, key=lambda s: math.inf if math.isnan(means[s]) else means[s])


def conclude(results: Results) -> str:
    """Compare both together with dropout alone, then judge whether the effects add up.

    The decay strength is the one with the lowest mean error without dropout. An effect is a
    reduction of the test error: the error with neither minus the error of the arm. The effects add
    up if the joint reduction equals the sum of the two single ones. Seeds for which one of the four
    runs diverged are left out.
    """
    errors = results.test_errors
    strength = _best_strength(errors)
    four = np.array(
        [
            errors[NEITHER],
            errors[_name(True, 0)],
            errors[_name(False, strength)],
            errors[_name(True, strength)],
        ]
    )
    neither, dropout, decay, both = four[:, np.isfinite(four).all(axis=0)]
    joint = neither - both
    excess = estimate(joint - ((neither - dropout) + (neither - decay)))
    if excess.interval is None:
        return (
            f"Too few runs are finite to judge whether the effects add up: {len(both)} of "
            f"{len(results.seeds)} seeds, and a comparison needs 2."
        )
    low, high = excess.interval
    if low <= 0 <= high:
        verdict = "no significant departure from additive effects"
    elif low > 0:
        verdict = "together they reduce the error by more than the sum"
    elif both.mean() > min(dropout.mean(), decay.mean()):
        verdict = "the effects cancel, since one alone has the lower mean error"
    else:
        verdict = "the effects diminish, since together they reduce the error by less than the sum"
    together = versus(
        f"both (decay {strength:g})", both, "dropout alone", dropout, "the test error"
    )
    return (
        f"{capital(together)}. The joint reduction of the error minus the sum of the two single "
        f"reductions is {excess} points: {verdict}."
    )


EXPERIMENT = Experiment(
    question="Do the effects of dropout and weight decay add up, diminish or cancel?",
    arms=arms,
    baseline=NEITHER,
    metrics=TEST_ERROR,
    draw=error_dots,
    conclude=conclude,
)
