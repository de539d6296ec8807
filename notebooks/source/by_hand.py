"""The code of the notebook that explains dropout in plain NumPy."""

# %% intro

# %% setup
from inspect import getsource
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython.display import Markdown

import d2ldrop
from d2ldrop import handwritten
from d2ldrop.comparison.looks import COLOURS, MARKERS, STYLES

# Readable without colours, too: line styles and markers differ, and the colours are safe for
# colour-blind readers.
plt.rc("axes", prop_cycle=cycler(color=COLOURS, linestyle=STYLES, marker=MARKERS), grid=True)
plt.rc("figure", dpi=80)
plt.rc("grid", alpha=0.3)


def show(function):
    """Show the source of a function of the package."""
    return Markdown(f"```python\n{getsource(function)}```")


# %% one-layer
p = 0.5
h = np.array([1.0, 2.0, 3.0, 4.0])
mask = np.array([True, False, True, True])
v = np.array([0.1, 0.2, 0.3, 0.4])  # the gradient that arrives from above

forward = d2ldrop.dropout_layer(h, p, mask=mask)
backward = d2ldrop.dropout_backward(v, p, mask=mask)
print("h' =", forward)
print("dh =", backward)

step = 1e-6
by_difference = [
    (
        v @ d2ldrop.dropout_layer(h + e, p, mask=mask)
        - v @ d2ldrop.dropout_layer(h - e, p, mask=mask)
    )
    / (2 * step)
    for e in step * np.eye(4)
]
print("dh =", np.round(by_difference, 6), "by differences")

# %% forward
show(handwritten.forward_propagation_with_dropout)

# %% backward
show(handwritten.backward_propagation_with_dropout)

# %% gradient-check
X, Y = handwritten.toy_data(20, seed=0)
parameters = handwritten.initialize_parameters((2, 8, 4, 1), seed=0)
for keep_prob in (1.0, 0.8, 0.5):
    error = handwritten.gradient_check(parameters, X, Y, keep_prob)
    print(f"keep_prob {keep_prob}: relative error {error:.0e}")

# %% broken
right = handwritten.backward_propagation_with_dropout


def without_scale(X, Y, cache, keep_prob):
    """Multiply by the mask, but do not divide by keep_prob."""
    return right(X, Y, cache, 1.0)


def without_mask(X, Y, cache, keep_prob):
    """Keep every unit: replace D1 and D2 by True."""
    Z1, D1, A1, W1, b1, Z2, D2, *rest = cache
    return right(X, Y, (Z1, D1 | True, A1, W1, b1, Z2, D2 | True, *rest), keep_prob)


for broken in (without_scale, without_mask):
    with patch.object(handwritten.network, "backward_propagation_with_dropout", broken):
        error = handwritten.gradient_check(parameters, X, Y, keep_prob=0.5)
    print(f"{broken.__name__}: relative error {error:.0e}")

# %% boundaries
X, Y = handwritten.toy_data(60, seed=0)
points, labels = handwritten.toy_data(4000, seed=2)
networks = {}
figure, all_axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for axes, keep_prob in zip(all_axes, (1.0, 0.3), strict=True):
    networks[keep_prob], _ = handwritten.train(X, Y, (128, 64), keep_prob=keep_prob)
    xx, yy, probability = handwritten.decision_boundary(networks[keep_prob], X)
    axes.contourf(xx, yy, probability, levels=[0, 0.5, 1], colors=["0.95", "0.8"])
    axes.contour(xx, yy, probability, levels=[0.5], colors="black")
    for label in (0, 1):
        x, y = X[:, Y[0] == label]
        axes.scatter(
            x, y, s=20, color=COLOURS[1 + label], marker=MARKERS[label], label=f"y = {label}"
        )
    axes.set(xlabel="$x_1$", ylabel="$x_2$", title=f"keep_prob = {keep_prob}")
    train_accuracy = np.mean(handwritten.predict(networks[keep_prob], X) == Y)
    test_accuracy = np.mean(handwritten.predict(networks[keep_prob], points) == labels)
    accuracies = f"{train_accuracy:.1%} on the 60 training points, {test_accuracy:.1%} on 4,000 new"
    print(f"keep_prob {keep_prob}: accuracy {accuracies}")
all_axes[1].legend()
plt.show()

# %% exact-average
show(d2ldrop.exact_average)

# %% weight-scaling
small, _ = handwritten.train(X, Y, (8, 4), keep_prob=0.8)


def as_softmax(parameters):
    """Examples as rows, and two logits (0, z), whose softmax is the sigmoid of z."""
    weights = {
        name: value.T if name[0] == "W" else value[:, 0] for name, value in parameters.items()
    }
    return weights | {
        "W3": np.pad(weights["W3"], [(0, 0), (1, 0)]),
        "b3": np.pad(weights["b3"], (1, 0)),
    }


weights, some_points = as_softmax(small), points.T[:500].copy()


def rms(difference):
    """Root mean square, over points and classes."""
    return np.sqrt(np.mean(difference**2))


scaling = d2ldrop.weight_scaling(weights, some_points)
print("weight scaling against the exact mean over all masks: difference of the probability (rms)")
print("dropped         masks  arithmetic  geometric")
for where, rates in {"second layer": (0, 0.2), "both layers": (0.2, 0.2)}.items():
    exact = d2ldrop.exact_average(weights, some_points, rates)
    num_masks = 2 ** sum(n for n, p in zip((8, 4), rates, strict=True) if p)
    arithmetic, geometric = rms(scaling - exact.arithmetic), rms(scaling - exact.geometric)
    print(f"{where:13} {num_masks:7} {arithmetic:11.0e} {geometric:10.0e}")

# %% monte-carlo
samples = [1, 3, 10, 30, 100, 300, 1000]
means = [d2ldrop.predict_mc(weights, some_points, n, dropout=rates).mean for n in samples]
errors = [rms(mean - exact.arithmetic) for mean in means]
figure, axes = plt.subplots(figsize=(6, 3.2))
axes.loglog(samples, errors, label="mean of sampled masks")
axes.axhline(
    rms(scaling - exact.arithmetic),
    color=COLOURS[1],
    linestyle=STYLES[1],
    label="weight scaling, one pass",
)
axes.set(xlabel="masks sampled", ylabel="error of the probability (rms)")
axes.legend()
plt.show()

# %% original-form
show(d2ldrop.scale_weights)

# %% exercises
