"""The loop over epochs, its curves and its sums, shared by the frameworks' modules."""

from __future__ import annotations

import importlib
import math
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from matplotlib import pyplot as plt
from tqdm import tqdm

from d2ldrop.core.checks import check_positive
from d2ldrop.d2l._pictures import FIGSIZE, FMTS, set_axes

__all__ = ["Accumulator", "Animator", "plt", "train"]


class Accumulator:
    """The sums of n variables; values are numbers or a framework's scalars.

    >>> metric = Accumulator(2)
    >>> metric.add(1, 2)
    >>> metric.add(3, 4)
    >>> metric[0], metric[1]
    (4.0, 6.0)
    """

    def __init__(self, n: int) -> None:
        self.data = [0.0] * n

    def add(self, *args: Any) -> None:
        """Add one value to each sum.

        Raises:
            ValueError: the number of values is not n.
        """
        if len(args) != len(self.data):
            raise ValueError(f"add takes {len(self.data)} values, got {len(args)}")
        self.data = [a + float(b) for a, b in zip(self.data, args, strict=True)]

    def reset(self) -> None:
        """Set all sums to 0."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, index: int) -> float:
        return self.data[index]


LATE = 8
"""Number of steps after which a value is read. Reading earlier would wait for the framework."""


class LateAccumulator(Accumulator):
    """The sums of scalars that the framework may still be computing.

    The scalars must not be modified afterwards.
    """

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self._waiting: deque[tuple[Any, ...]] = deque()

    def add(self, *args: Any) -> None:
        """Add one value to each sum; the sum is updated some steps later."""
        self._waiting.append(args)
        if len(self._waiting) > LATE:
            super().add(*self._waiting.popleft())

    def __getitem__(self, index: int) -> float:
        while self._waiting:
            super().add(*self._waiting.popleft())
        return self.data[index]


class Animator:
    """Curves that grow while a network trains.

    In a notebook the figure is drawn again after each point. In a script, ``plt.show()`` shows it
    after the training, and ``plt.savefig("curves.png")`` saves it, with or without a screen.
    ``axes`` lists the panels row by row; the curves are in the first one, as in the book.
    """

    def __init__(
        self,
        xlabel: str | None = None,
        ylabel: str | None = None,
        legend: Sequence[str] | None = None,
        xlim: tuple[float, float] | None = None,
        ylim: tuple[float, float] | None = None,
        xscale: str = "linear",
        yscale: str = "linear",
        fmts: Sequence[str] = FMTS,
        nrows: int = 1,
        ncols: int = 1,
        figsize: tuple[float, float] = FIGSIZE,
    ) -> None:
        self.fig, axes = plt.subplots(
            nrows, ncols, figsize=figsize, layout="constrained", squeeze=False
        )
        self.axes = list(axes.flat)
        self.legend, self.fmts = legend or (), fmts
        first = self.axes[0]
        set_axes(first, xlabel, ylabel, xlim, ylim, xscale, yscale, legend=None)
        self.X: list[list[float]] = []
        self.Y: list[list[float]] = []
        self.lines: list[Any] = []

    def add(
        self, x: float | Iterable[float | None] | None, y: float | Iterable[float | None] | None
    ) -> None:
        """Add a point to each curve; ``y`` has one value per curve, or None for no point."""
        axes = self.axes[0]
        ys = list(y) if isinstance(y, Iterable) else [y]
        xs = list(x) if isinstance(x, Iterable) else [x] * len(ys)
        while len(self.lines) < len(ys):
            k = len(self.lines)
            label = self.legend[k] if k < len(self.legend) else None
            self.lines += axes.plot([], [], self.fmts[k % len(self.fmts)], label=label)
            self.X.append([])
            self.Y.append([])
            if label:
                axes.legend()
        for k, (a, b) in enumerate(zip(xs, ys, strict=True)):
            if a is not None and b is not None:
                self.X[k].append(float(a))
                self.Y[k].append(float(b))
                self.lines[k].set_data(self.X[k], self.Y[k])
        axes.relim()
        axes.autoscale_view()
        self._show()

    def _ipython_display_(self) -> None:
        """Do nothing: the figure was displayed already."""

    def _show(self) -> None:
        if "ipykernel" in sys.modules:
            display = importlib.import_module(
                "IPython.display"
            )  # IPython is installed in a notebook
            display.display(self.fig)
            display.clear_output(wait=True)


def train(
    num_epochs: int,
    epoch: Callable[[], tuple[float, float]],
    evaluate: Callable[[], float],
    max_loss: float | None,
    min_accuracy: float | None,
) -> Animator:
    """Train epoch by epoch and draw the three curves; return them.

    Raises:
        TypeError, ValueError: ``num_epochs`` is not a positive integer.
        AssertionError: the last epoch's loss is above ``max_loss``, or an accuracy is below
            ``min_accuracy``.
    """
    check_positive(num_epochs, "num_epochs")
    animator = Animator(
        xlabel="epoch",
        ylabel="loss (nats), accuracy",
        xlim=(1, max(2, num_epochs)),
        ylim=(0.3, 0.9),
        legend=["train loss", "train acc", "test acc"],
    )
    hidden = sys.stderr is None or not sys.stderr.isatty()
    bar = tqdm(range(1, num_epochs + 1), desc="training", unit="epoch", disable=hidden)
    loss = accuracy = test_accuracy = math.nan
    for number in bar:
        loss, accuracy = epoch()
        test_accuracy = evaluate()
        animator.add(number, (loss, accuracy, test_accuracy))
        bar.set_postfix(loss=f"{loss:.3f}", acc=f"{accuracy:.3f}", test=f"{test_accuracy:.3f}")
    if max_loss is not None and not loss <= max_loss:
        raise AssertionError(f"expected a training loss of at most {max_loss}, got {loss:.4f}")
    for name, value in (("training", accuracy), ("test", test_accuracy)):
        if min_accuracy is not None and not min_accuracy <= value <= 1:
            raise AssertionError(
                f"expected a {name} accuracy from {min_accuracy} to 1, got {value:.4f}"
            )
    return animator
