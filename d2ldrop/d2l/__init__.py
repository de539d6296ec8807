"""The names of the book's helper package that section 4.6 of *Dive into Deep Learning* uses.

To run the section's listings on current frameworks, change one line: ``from d2ldrop.d2l import
torch as d2l`` (or ``mxnet``, ``tensorflow``, ``paddle``). The listings then run in notebooks and in
scripts, with or without a screen. Each framework has a module with the same names:
``load_data_fashion_mnist``, ``sgd``, ``accuracy``, ``evaluate_accuracy``, ``train_epoch_ch3``,
``train_ch3``, ``Accumulator``, ``Animator``, ``plt``.

Differences from the book:

- Networks are trained in training mode and evaluated in evaluation mode. The book's TensorFlow loop
  calls ``net(X)``, which skips dropout during training.
- ``train_ch3`` returns the curves. It asserts a loss or accuracies only if ``max_loss`` or
  ``min_accuracy`` are given, because the book's limits, 0.5 and 0.7, suit only its own recipe.
- The images are kept in memory as bytes. Each batch is made when it is needed, without worker
  processes.
"""

from d2ldrop.d2l._curves import Accumulator, Animator

__all__ = ["Accumulator", "Animator"]
