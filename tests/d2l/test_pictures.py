"""Curves and images, from arrays of NumPy and of each framework."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt

from d2ldrop.backend import Backend
from d2ldrop.d2l._pictures import (
    get_fashion_mnist_labels,
    plot,
    set_axes,
    set_figsize,
    show_images,
    show_predictions,
    use_svg_display,
)
from tests.d2l.test_d2l import FRAMEWORKS

IMAGES = np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5) / 60


@pytest.fixture(autouse=True)
def _close_figures() -> Any:
    yield
    plt.close("all")


def shown(axes: Any) -> list[Any]:
    """The picture of each panel; None for an empty one."""
    return [np.asarray(panel.images[0].get_array()) if panel.images else None for panel in axes]


def titles(axes: Any) -> list[str]:
    return [panel.get_title() for panel in axes]


@pytest.mark.parametrize("axis", [1, 3, None])  # the axis of the channel
def test_images_are_shown_row_by_row(axis: int | None) -> None:
    images = IMAGES if axis is None else np.expand_dims(IMAGES, axis)
    axes = show_images(images, 2, 2, titles=["a", "b", "c", "d"])
    assert axes.shape == (4,)
    assert titles(axes) == ["a", "b", "c", ""]
    *pictures, last = shown(axes)
    np.testing.assert_array_equal(pictures, IMAGES)
    assert last is None
    assert [panel.axison for panel in axes] == [True, True, True, False]
    assert tuple(plt.gcf().get_size_inches()) == (3.0, 3.0)


def test_images_without_a_place_are_left_out_and_colours_stay() -> None:
    from PIL import Image

    (panel,) = show_images(IMAGES, 1, 1)
    np.testing.assert_array_equal(shown([panel]), IMAGES[:1])
    colours = np.zeros((1, 5, 3), np.uint8)  # one row of coloured pixels
    pictures = shown(show_images([Image.fromarray(colours), colours.tolist()], 1, 2, scale=1))
    assert [picture.shape for picture in pictures] == [(1, 5, 3), (1, 5, 3)]
    with pytest.raises(ValueError, match="num_cols must be a positive integer, got 0"):
        show_images(IMAGES, 1, 0)


def test_labels_have_the_names_of_the_book() -> None:
    names = get_fashion_mnist_labels(np.arange(10)[:, None])
    assert names[0] == "t-shirt"
    assert names[9] == "ankle boot"
    assert len(set(names)) == 10
    for label in (-1, 10):
        with pytest.raises(ValueError, match=f"labels must be integers from 0 to 9, got {label}"):
            get_fashion_mnist_labels([0, label])


def test_curves_may_share_their_points_and_outnumber_the_line_styles() -> None:
    x = np.linspace(0, 1, 7)
    plot(x, [x * k for k in range(5)], "x", "y", ["a", "b"], (0, 1), (1e-3, 10), yscale="log")
    (axes,) = plt.gcf().axes
    assert len(axes.lines) == 5
    for k, line in enumerate(axes.lines):
        np.testing.assert_array_equal(line.get_data(), (x, x * k))
    found = (
        axes.get_xlabel(),
        axes.get_ylabel(),
        axes.get_xlim(),
        axes.get_ylim(),
        axes.get_yscale(),
    )
    assert found == ("x", "y", (0, 1), (1e-3, 10), "log")
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    plot([3, 1, 2])  # clears the current panel; points are counted
    assert plt.gcf().axes == [axes]
    np.testing.assert_array_equal(axes.lines[0].get_data(), ([0, 1, 2], [3, 1, 2]))
    _, (other, untouched) = plt.subplots(1, 2)
    plot([x, x[:3]], [x, x[:3]], axes=other)
    assert (len(other.lines), len(untouched.lines)) == (2, 0)
    with pytest.raises(ValueError, match="X must have 1 or 3 curves, as Y has, got 2"):
        plot([x, x], [x, x, x])


def test_a_panel_fits_its_curves_unless_limits_are_given() -> None:
    _, axes = plt.subplots()
    for _ in range(2):  # the second call does not turn the grid off
        set_axes(axes, None, None, None, None, "linear", "linear", None)
    axes.plot([1, 20], [2, 40])
    assert axes.get_xlim()[0] < 1 < 20 < axes.get_xlim()[1]
    assert axes.xaxis.get_gridlines()[0].get_visible()
    assert axes.get_legend() is None


def test_figures_are_svg_in_a_notebook_only(monkeypatch: pytest.MonkeyPatch) -> None:
    formats: list[str] = []
    backend = SimpleNamespace(set_matplotlib_formats=formats.append)
    monkeypatch.setitem(sys.modules, "matplotlib_inline.backend_inline", backend)
    for shell, expected in ((None, []), (object(), ["svg"])):
        ipython = SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        use_svg_display()
        assert formats == expected
    monkeypatch.delitem(sys.modules, "IPython")
    use_svg_display()
    with plt.rc_context():
        set_figsize((4, 3))
        assert tuple(plt.figure().get_size_inches()) == (4, 3)
    assert formats == ["svg"]


def test_predictions_are_collected_over_batches() -> None:
    logits = np.eye(10)[[3, 0, 9]]
    batches = [(logits[:2], np.array([3, 1])), (logits[2:], np.array([[9]]))]
    batches = [(X[:, None], y) for X, y in batches]  # a picture of one row
    expected = ["dress\ndress", "trouser\nt-shirt", "ankle boot\nankle boot"]
    for n, count in ((1, 1), (3, 3), (6, 3)):
        show_predictions(lambda X: X[:, 0], batches, n)
        assert titles(plt.gcf().axes) == expected[:count]
    with pytest.raises(ValueError, match="n must be a positive integer, got 0"):
        show_predictions(lambda X: X, batches, 0)
    with pytest.raises(ValueError, match="test_iter must have at least one image"):
        show_predictions(lambda X: X, [], 6)


@pytest.mark.only(*FRAMEWORKS)
def test_arrays_of_the_framework_are_drawn_like_those_of_numpy(
    d2l: Any, backend: Backend[Any]
) -> None:
    (tracked,) = backend.init_params([IMAGES[0]])  # its gradients are recorded
    pictures = shown(d2l.show_images([backend.from_numpy(IMAGES[1]), tracked, IMAGES[2]], 1, 3))
    np.testing.assert_array_equal(pictures, IMAGES[[1, 0, 2]])
    pictures = shown(d2l.show_images(backend.from_numpy(IMAGES), 1, 3))
    np.testing.assert_array_equal(pictures, IMAGES)
    x = np.arange(3, dtype=np.float32)
    array = backend.from_numpy(x)
    (vector,) = backend.init_params([x])
    for points in ((array, array), (array, [vector, x]), ([array], [list(x)])):
        d2l.plot(*points)
        for line in d2l.plt.gca().lines:
            np.testing.assert_array_equal(line.get_data(), (x, x))
    assert d2l.get_fashion_mnist_labels(backend.from_numpy(np.array([9, 2]))) == [
        "ankle boot",
        "pullover",
    ]


@pytest.mark.only(*FRAMEWORKS)
def test_predictions_use_evaluation_mode_and_leave_the_mode(
    d2l: Any, backend: Backend[Any], backend_name: str
) -> None:
    """With dropout, two predictions of the same images would differ."""
    net, layers = network_with_dropout(backend_name)
    images = np.random.default_rng(0).standard_normal((12, 1, 4, 5)).astype(np.float32)
    batches = [(backend.from_numpy(images), backend.from_numpy(np.zeros(12, np.int32)))]
    modes = [layer.training for layer in layers]
    found, losses = [], set()
    for _ in range(2):
        with training_mode(backend_name):
            d2l.predict_ch3(net, batches, n=12)
            losses.add(d2l.evaluate_loss(net, batches, lambda y_hat, y: y_hat))
        found.append(titles(d2l.plt.gcf().axes))
    assert found[0] == found[1]
    assert len(set(found[0])) > 2
    assert len(losses) == 1
    assert [layer.training for layer in layers] == modes


def training_mode(backend_name: str) -> AbstractContextManager[Any]:
    """Where a layer of MXNet is in training mode. The other frameworks ask the layer."""
    if backend_name != "mxnet":
        return nullcontext()
    from mxnet import autograd

    record: AbstractContextManager[Any] = autograd.record()
    return record


def network_with_dropout(backend_name: str) -> tuple[Any, list[Any]]:
    """A network in training mode, and its layers if they have modes; one is in evaluation mode."""
    if backend_name == "torch":
        from torch import nn

        net: Any = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(20, 10))
        net[2].eval()
        return net, list(net.modules())
    if backend_name == "paddle":
        from paddle import nn as paddle_nn

        net = paddle_nn.Sequential(
            paddle_nn.Flatten(), paddle_nn.Dropout(0.9), paddle_nn.Linear(20, 10)
        )
        net[2].eval()
        return net, net.sublayers(include_self=True)
    if backend_name == "tensorflow":
        import tensorflow as tf

        layers = tf.keras.layers
        return tf.keras.Sequential([layers.Flatten(), layers.Dropout(0.9), layers.Dense(10)]), []
    from mxnet import init, npx
    from mxnet.gluon import nn as gluon_nn

    npx.set_np()
    net = gluon_nn.Sequential()
    net.add(gluon_nn.Dropout(0.9), gluon_nn.Dense(10))
    net.initialize(init.Normal(sigma=1))
    return net, []
