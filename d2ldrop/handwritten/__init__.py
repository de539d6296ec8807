"""Dropout forward and backward by hand: a binary classifier of three layers in plain NumPy."""

from d2ldrop.handwritten.network import (
    backward_propagation_with_dropout,
    compute_cost,
    decision_boundary,
    forward_propagation,
    forward_propagation_with_dropout,
    gradient_check,
    initialize_parameters,
    predict,
    relu,
    sigmoid,
    toy_data,
    train,
    update_parameters,
)

__all__ = [
    "backward_propagation_with_dropout",
    "compute_cost",
    "decision_boundary",
    "forward_propagation",
    "forward_propagation_with_dropout",
    "gradient_check",
    "initialize_parameters",
    "predict",
    "relu",
    "sigmoid",
    "toy_data",
    "train",
    "update_parameters",
]
