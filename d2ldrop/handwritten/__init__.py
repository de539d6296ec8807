"""Dropout forward and backward by hand: a binary classifier of three layers in plain NumPy.

``network`` is the lesson: forward pass, cost, backward pass. ``gradient_checking`` compares the
gradients with finite differences, ``training`` trains the network, and ``toy_problem`` makes data.
"""

from d2ldrop.handwritten.gradient_checking import gradient_check
from d2ldrop.handwritten.network import (
    backward_propagation_with_dropout,
    compute_cost,
    forward_propagation,
    forward_propagation_with_dropout,
    relu,
    sigmoid,
)
from d2ldrop.handwritten.toy_problem import decision_boundary, toy_data
from d2ldrop.handwritten.training import (
    initialize_parameters,
    predict,
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
