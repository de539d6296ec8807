"""Dropout and a bound on the norm of each unit's incoming weights, together and alone.

Srivastava et al., "Dropout" (JMLR 15, 2014), section 5.1 and table 9.
"""

from __future__ import annotations

from dataclasses import replace

from d2ldrop.experiments.engine.definition import TEST_ERROR, Arm, Experiment, Setting
from d2ldrop.experiments.engine.figures import error_dots
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.sentences import best

BOUNDS = (None, 2.0, 1.0, 0.5)


def _name(dropout: bool, bound: float | None) -> str:
    limit = "no bound" if bound is None else f"norm ≤ {bound:g}"
    return f"{'dropout' if dropout else 'no dropout'}, {limit}"


DROPOUT = _name(True, None)


def arms(setting: Setting) -> list[Arm]:
    """Train with and without dropout, each with three bounds and without a bound."""
    return [
        Arm(
            _name(on, bound),
            replace(
                setting.recipe, dropout=setting.recipe.dropout if on else (0, 0), max_norm=bound
            ),
        )
        for on in (True, False)
        for bound in BOUNDS
    ]


def conclude(results: Results) -> str:
    """Name the best arm, and those significantly better or worse than dropout alone."""
    return best(results.test_errors, DROPOUT, "test error")


EXPERIMENT = Experiment(
    question="What does a bound on the norm of each unit's weights add to dropout?",
    arms=arms,
    baseline=DROPOUT,
    metrics=TEST_ERROR,
    draw=error_dots,
    conclude=conclude,
)
