"""The toy data and the decision boundary."""

from __future__ import annotations

import numpy as np
import pytest

from d2ldrop.handwritten import decision_boundary, initialize_parameters, predict, toy_data


def test_toy_data_are_balanced_and_reproducible() -> None:
    X, Y = toy_data(101, seed=4)
    assert (X.shape, X.dtype, Y.shape) == ((2, 101), np.dtype(float), (1, 101))
    assert Y.sum() == 50
    assert set(np.unique(Y)) == {0, 1}
    np.testing.assert_array_equal(toy_data(101, seed=4)[0], X)
    assert (toy_data(101, seed=5)[0] != X).all()


def test_toy_data_without_noise_lies_on_half_circles() -> None:
    X, Y = toy_data(200, seed=0, noise=0)
    zero, one = X[:, Y[0] == 0] + [[0.5], [0.25]], X[:, Y[0] == 1] + [[-0.5], [-0.25]]
    np.testing.assert_allclose(np.linalg.norm(zero, axis=0), 1)
    np.testing.assert_allclose(np.linalg.norm(one, axis=0), 1)
    assert (zero[1] >= 0).all()
    assert (one[1] <= 0).all()


@pytest.mark.parametrize("constant", [False, True])
def test_the_decision_boundary_agrees_with_predict(constant: bool) -> None:
    X, _ = toy_data(30, seed=0)
    if constant:
        X[1] = 4.0
    parameters = initialize_parameters((2, 6, 5, 1), seed=3)
    _, _, before = decision_boundary(parameters, X, resolution=25)
    logits = np.log(before / (1 - before))
    parameters["b3"] -= (logits.min() + logits.max()) / 2  # now both labels occur
    xx, yy, probability = decision_boundary(parameters, X, resolution=25)
    assert xx.shape == yy.shape == probability.shape == (25, 25)
    labels = predict(parameters, np.stack([xx.ravel(), yy.ravel()]))
    assert labels.shape == (1, 625)
    assert labels.dtype == np.dtype(int)
    np.testing.assert_array_equal(probability.ravel() > 0.5, labels[0] == 1)
    assert len(np.unique(labels)) == 2, "both labels must occur"
    assert (np.diff(xx, axis=1) > 0).all()
    assert (np.diff(yy, axis=0) > 0).all()
    assert xx.min() < X[0].min() < X[0].max() < xx.max()
    assert yy.min() < X[1].min() <= X[1].max() < yy.max()
