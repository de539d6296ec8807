"""Bad arguments of ``dropout_layer``, the exceptions that they raise and how the messages begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Case = tuple[dict[str, Any], type[Exception], str]
PROBABILITY = "dropout must be a probability in [0, 1], got "
BOOLEAN = "mask must be a boolean array, "
SELECT = "step and site select a mask of the shared stream: give seed with them"
WORD = "must be an integer in [0, 2**64), got "

BAD: Mapping[str, Sequence[Case]] = {
    "dropout": [
        ({"dropout": 1.5}, ValueError, f"{PROBABILITY}1.5"),
        ({"dropout": -0.1}, ValueError, f"{PROBABILITY}-0.1"),
        ({"dropout": 10**400}, ValueError, PROBABILITY),
        ({"dropout": float("nan")}, ValueError, f"{PROBABILITY}nan"),
        ({"dropout": float("inf")}, ValueError, f"{PROBABILITY}inf"),
        ({"dropout": None}, TypeError, f"{PROBABILITY}None of type NoneType"),
        ({"dropout": "0.5"}, TypeError, f"{PROBABILITY}'0.5' of type str"),
        ({"dropout": True}, TypeError, f"{PROBABILITY}True of type bool"),
        ({"dropout": np.ones(2)}, TypeError, PROBABILITY),
        ({"dropout": 0.5j}, TypeError, f"{PROBABILITY}0.5j of type complex"),
    ],
    "mask": [
        ({"mask": [[True] * 8] * 2}, TypeError, BOOLEAN),
        ({"mask": True}, TypeError, BOOLEAN),
        ({"mask": np.ones((2, 8))}, TypeError, BOOLEAN),
        ({"mask": np.ones((2, 8), np.uint8)}, TypeError, BOOLEAN),
        (
            {"mask": np.ones((2, 8), bool), "seed": 0},
            ValueError,
            "mask and seed exclude each other: give one of them",
        ),
        (
            {"mask": np.ones((2, 8), bool), "step": 0},
            ValueError,
            "mask and seed exclude each other: give one of them",
        ),
    ],
    "seed": [
        ({"step": 3}, ValueError, SELECT),
        ({"site": 0}, ValueError, SELECT),
        ({"seed": -1}, ValueError, f"seed {WORD}-1"),
        ({"seed": 2**64}, ValueError, f"seed {WORD}{2**64}"),
        ({"seed": 1.0}, TypeError, f"seed {WORD}1.0 of type float"),
        ({"seed": 0, "step": "3"}, TypeError, f"step {WORD}'3' of type str"),
        ({"seed": 0, "step": -1}, ValueError, f"step {WORD}-1"),
        ({"seed": 0, "site": True}, TypeError, f"site {WORD}True of type bool"),
    ],
}
"""For each argument: what is given, the exception, and how its message begins."""
