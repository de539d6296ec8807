"""Dropout, side by side: one layer and one training run on six frameworks.

Based on section 4.6 of *Dive into Deep Learning*. Public names are loaded on first use, so ``import
d2ldrop`` is fast and imports no framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from d2ldrop.version import __version__ as __version__

if TYPE_CHECKING:
    from d2ldrop.backend import available_backends, backend_names, get_backend
    from d2ldrop.comparison.runner import compare_backends
    from d2ldrop.contract import Backend, ConciseBackend, Tracer, TrainSteps
    from d2ldrop.core.fast_masks import dropout_mask
    from d2ldrop.core.noise import NO_NOISE, LayerNoise, Noise, noise_layer
    from d2ldrop.core.randomness import batch_order, initial_weights
    from d2ldrop.core.recipe import PRESETS, Recipe
    from d2ldrop.data import Dataset, load_data
    from d2ldrop.frameworks import Framework, title
    from d2ldrop.layer import dropout_backward, dropout_layer
    from d2ldrop.prediction import (
        ExactAverage,
        MCPrediction,
        exact_average,
        predict_mc,
        scale_weights,
        weight_scaling,
    )
    from d2ldrop.training.loop import evaluate, train
    from d2ldrop.training.run import EpochResult, Run
    from d2ldrop.training.saved_arrays import load_weights


_HOMES = {
    "backend": ("available_backends", "backend_names", "get_backend"),
    "contract": ("Backend", "ConciseBackend", "Tracer", "TrainSteps"),
    "prediction": (
        "ExactAverage",
        "MCPrediction",
        "exact_average",
        "predict_mc",
        "scale_weights",
        "weight_scaling",
    ),
    "comparison.runner": ("compare_backends",),
    "data.dataset": ("Dataset", "load_data"),
    "frameworks": ("Framework", "title"),
    "layer": ("dropout_backward", "dropout_layer"),
    "core.fast_masks": ("dropout_mask",),
    "core.noise": ("NO_NOISE", "LayerNoise", "Noise", "noise_layer"),
    "core.randomness": ("batch_order", "initial_weights"),
    "core.recipe": ("PRESETS", "Recipe"),
    "training.saved_arrays": ("load_weights",),
    "training.loop": ("evaluate", "train"),
    "training.run": ("EpochResult", "Run"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "NO_NOISE",
    "PRESETS",
    "Backend",
    "ConciseBackend",
    "Dataset",
    "EpochResult",
    "ExactAverage",
    "Framework",
    "LayerNoise",
    "MCPrediction",
    "Noise",
    "Recipe",
    "Run",
    "Tracer",
    "TrainSteps",
    "available_backends",
    "backend_names",
    "batch_order",
    "compare_backends",
    "dropout_backward",
    "dropout_layer",
    "dropout_mask",
    "evaluate",
    "exact_average",
    "get_backend",
    "initial_weights",
    "load_data",
    "load_weights",
    "noise_layer",
    "predict_mc",
    "scale_weights",
    "title",
    "train",
    "weight_scaling",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'd2ldrop' has no attribute {name!r}")
    value = getattr(import_module(f"d2ldrop.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
