"""Curves and images. They take arrays of NumPy and of each framework that is loaded."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt

from d2ldrop import loaded
from d2ldrop.core.checks import check_positive
from d2ldrop.layer import find_framework

__all__ = [
    "get_fashion_mnist_labels",
    "plot",
    "set_axes",
    "set_figsize",
    "show_images",
    "show_predictions",
    "use_svg_display",
]

FMTS = ("-", "m--", "g-.", "r:")
FIGSIZE = (3.5, 2.5)
LABELS = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

Limits = Sequence[float] | None


def use_svg_display() -> None:
    """Show the figures of a notebook as SVG. In a script, do nothing."""
    ipython = sys.modules.get("IPython")  # a notebook has loaded it
    if ipython is not None and ipython.get_ipython() is not None:
        importlib.import_module("matplotlib_inline.backend_inline").set_matplotlib_formats("svg")


def set_figsize(figsize: tuple[float, float] = FIGSIZE) -> None:
    """Set the width and height of new figures, in inches; show them as SVG in a notebook."""
    use_svg_display()
    plt.rcParams["figure.figsize"] = figsize


def set_axes(
    axes: Any,
    xlabel: str | None,
    ylabel: str | None,
    xlim: Limits,
    ylim: Limits,
    xscale: str,
    yscale: str,
    legend: Sequence[str] | None,
) -> None:
    """Set labels, limits, scales and legend of a panel, and draw its grid.

    Without limits the panel fits its curves.
    """
    axes.set(xlabel=xlabel or "", ylabel=ylabel or "", xscale=xscale, yscale=yscale)
    for setter, limits in ((axes.set_xlim, xlim), (axes.set_ylim, ylim)):
        if limits is not None:  # set_xlim(None) would turn autoscaling off
            setter(limits)
    if legend:
        axes.legend(legend)
    axes.grid(visible=True)  # without the argument, a second call would turn the grid off


def plot(
    X: Any,
    Y: Any = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    legend: Sequence[str] | None = None,
    xlim: Limits = None,
    ylim: Limits = None,
    xscale: str = "linear",
    yscale: str = "linear",
    fmts: Sequence[str] = FMTS,
    figsize: tuple[float, float] = FIGSIZE,
    axes: Any = None,
) -> None:
    """Draw one or several curves on ``axes``, or on the current panel, which is cleared first.

    ``X`` and ``Y`` are vectors (n,), or lists of vectors: one per curve. All curves may share one
    ``X``. Without ``Y``, ``X`` has the values, and the horizontal axis counts them from 0.

    Raises:
        ValueError: ``X`` and ``Y`` have different numbers of curves or points.

    Source: *Dive into Deep Learning*, section 2.4.
    """
    xs, ys = _vectors(X), _vectors(X if Y is None else Y)
    if Y is None:
        xs = [np.arange(len(y)) for y in ys]
    elif len(xs) == 1:
        xs = xs * len(ys)
    if len(xs) != len(ys):
        raise ValueError(f"X must have 1 or {len(ys)} curves, as Y has, got {len(xs)}")
    set_figsize(figsize)
    if axes is None:
        if not plt.gcf().axes:  # a new figure
            plt.gcf().set_layout_engine("constrained")  # room for the labels
        axes = plt.gca()
    axes.cla()
    for x, y, fmt in zip(xs, ys, itertools.cycle(fmts), strict=False):
        axes.plot(x, y, fmt)
    set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend)


def _vectors(values: Any) -> list[npt.NDArray[Any]]:
    """Return one vector per curve: a list of numbers or an array (n,) is a single curve."""
    if not isinstance(values, (list, tuple)):
        array = _to_numpy(values)
        return [array] if array.ndim < 2 else list(array)
    arrays = [_to_numpy(value) for value in values]
    return [np.array(arrays)] if all(array.ndim == 0 for array in arrays) else arrays


def _to_numpy(x: Any) -> npt.NDArray[Any]:
    """Return the values of an array of any loaded framework, of a PIL image or of a number."""
    name = find_framework(x)
    return np.asarray(x) if name is None else getattr(loaded, name).backend.to_numpy(x)


def get_fashion_mnist_labels(labels: Iterable[Any]) -> list[str]:
    """Return the names of the classes of ``labels``: integers from 0 to 9.

    Raises:
        ValueError: a label is out of range.

    >>> get_fashion_mnist_labels([9, 2])
    ['ankle boot', 'pullover']
    """
    numbers = [int(label) for label in np.ravel(_to_numpy(labels))]
    for number in numbers:
        if not 0 <= number < len(LABELS):
            raise ValueError(f"labels must be integers from 0 to {len(LABELS) - 1}, got {number}")
    return [LABELS[number] for number in numbers]


def show_images(
    imgs: Iterable[Any],
    num_rows: int,
    num_cols: int,
    titles: Sequence[str] | None = None,
    scale: float = 1.5,
) -> Any:
    """Draw images row by row, each in a square of ``scale`` inches; return the panels, a vector.

    An image is an array (height, width), (height, width, 1) or (1, height, width), a colour image
    (height, width, 3) or (height, width, 4), or a PIL image. Images without a place are left out,
    and places without an image are empty.

    Raises:
        TypeError, ValueError: ``num_rows`` or ``num_cols`` is not a positive integer.

    Source: *Dive into Deep Learning*, section 3.5.
    """
    rows, cols = check_positive(num_rows, "num_rows"), check_positive(num_cols, "num_cols")
    _, grid = plt.subplots(
        rows, cols, figsize=(cols * scale, rows * scale), layout="constrained", squeeze=False
    )
    axes = grid.ravel()
    pictures = [_picture(_to_numpy(img)) for img in itertools.islice(imgs, len(axes))]
    for panel in axes:
        panel.set(xticks=[], yticks=[])
    for panel in axes[len(pictures) :]:
        panel.set_axis_off()
    for panel, picture in zip(axes, pictures, strict=False):
        panel.imshow(picture)
    for panel, title in zip(axes[: len(pictures)], () if titles is None else titles, strict=False):
        panel.set_title(title)
    return axes


def _picture(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Remove the axis of a single channel, wherever the framework has it."""
    if array.ndim == 3 and array.shape[2] == 1:
        return array[:, :, 0]
    if array.ndim == 3 and array.shape[0] == 1 and array.shape[2] not in (3, 4):
        return array[0]
    return array


def show_predictions(
    net: Callable[[Any], Any], test_iter: Iterable[tuple[Any, Any]], n: int
) -> None:
    """Draw the first n images of ``test_iter``; above each, its class and the predicted one.

    ``net`` returns logits or probabilities (batch, 10), in evaluation mode.
    """
    check_positive(n, "n")
    images: list[npt.NDArray[Any]] = []
    titles: list[str] = []
    for X, y in test_iter:
        trues = get_fashion_mnist_labels(y)
        predicted = get_fashion_mnist_labels(_to_numpy(net(X)).argmax(axis=1))
        titles += [f"{true}\n{pred}" for true, pred in zip(trues, predicted, strict=True)]
        images += list(_to_numpy(X))
        if len(images) >= n:
            break
    if not images:
        raise ValueError("test_iter must have at least one image, got none")
    show_images(images[:n], 1, min(n, len(images)), titles=titles)
