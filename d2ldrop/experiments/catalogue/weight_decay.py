"""Exercise 5: dropout and weight decay together: do their effects add up, diminish or cancel?"""

from __future__ import annotations

from dataclasses import replace

from d2ldrop.experiments.engine.experiment import TEST_ERROR, Arm, Experiment, Results, Setting
from d2ldrop.experiments.engine.figures import error_dots
from d2ldrop.experiments.engine.sentences import capital, versus
from d2ldrop.experiments.engine.statistics import estimate

STRENGTHS = (0.0, 1e-4, 3e-4, 1e-3)
NEITHER = "no dropout, decay 0"


def _name(dropout: bool, strength: float) -> str:
    return f"{'dropout' if dropout else 'no dropout'}, decay {strength:g}"


def arms(setting: Setting) -> list[Arm]:
    """With and without dropout, each at four strengths of weight decay."""
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


def conclude(results: Results) -> str:
    """The strength that is best without dropout, alone and together with it.

    Less of each alone: what the two give together less the sum of what they give alone.
    """
    errors = results.test_errors
    strength = min(STRENGTHS[1:], key=lambda s: errors[_name(False, s)].mean())
    neither, dropout = errors[NEITHER], errors[_name(True, 0)]
    decay, both = errors[_name(False, strength)], errors[_name(True, strength)]
    together = versus(
        f"both (decay {strength:g})", both, "dropout alone", dropout, "the test error"
    )
    missing = (neither - dropout) + (neither - decay) - (neither - both)
    ends = estimate(missing).interval
    assert ends is not None
    low, high = ends
    if low <= 0 <= high:
        verdict = "no significant departure from additive effects"
    elif high < 0:
        verdict = "together they give more than the sum"
    elif both.mean() > min(dropout.mean(), decay.mean()):
        verdict = "the effects cancel: one alone has the lower mean error"
    else:
        verdict = "the effects diminish: together they give less than the sum"
    return (
        f"{capital(together)}. The sum of the two single reductions exceeds the joint one by "
        f"{estimate(missing)} points: {verdict}."
    )


EXPERIMENT = Experiment(
    question="Dropout and weight decay together: additive, diminishing or cancelling?",
    arms=arms,
    baseline=NEITHER,
    metrics=TEST_ERROR,
    draw=error_dots,
    conclude=conclude,
)
