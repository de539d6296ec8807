"""The names of the book's helper package that *Dive into Deep Learning* uses around section 4.6.

To run the listings on current frameworks, change one line: ``from d2ldrop.d2l import torch as d2l``
(or ``mxnet``, ``tensorflow``, ``paddle``). The listings then run in notebooks and in scripts, with
or without a screen. Each framework has a module with the names that sections 3.1 to 4.9 use
(Chinese edition 2.0, English edition 0.17):

- data: ``load_data_fashion_mnist``, ``load_array``, ``synthetic_data``;
- training: ``train_ch3``, ``train_epoch_ch3``, ``sgd``, ``linreg``, ``squared_loss``, and
  ``Updater`` in TensorFlow;
- evaluation: ``accuracy``, ``evaluate_accuracy``, ``evaluate_loss``, ``predict_ch3``,
  ``Accumulator``, ``Timer``;
- figures: ``Animator``, ``plot``, ``show_images``, ``get_fashion_mnist_labels``, ``set_axes``,
  ``set_figsize``, ``use_svg_display``, ``plt``.

Differences from the book:

- Networks are trained in training mode and evaluated in evaluation mode. The book's TensorFlow loop
  calls ``net(X)``, which skips dropout during training.
- ``train_ch3`` returns the curves. It asserts a loss or accuracies only if ``max_loss`` or
  ``min_accuracy`` are given, because the book's limits, 0.5 and 0.7, suit only its own recipe.
- The images are kept in memory as bytes. Each batch is made when it is needed, without worker
  processes.
- ``load_array`` shuffles all examples. The book's TensorFlow version shuffles within 1,000.
"""

from typing import TYPE_CHECKING

from d2ldrop.d2l._curves import Accumulator, Animator
from d2ldrop.d2l._names import name_without_framework

__all__ = ["Accumulator", "Animator"]

if not TYPE_CHECKING:  # so that type checkers still report unknown names
    __getattr__ = name_without_framework(__name__)
