"""What section 4.6 of *Dive into Deep Learning* takes from the book's helper package.

``from d2ldrop.d2l import torch as d2l`` (or ``mxnet``, ``tensorflow``, ``paddle``) is the one line
in which the section's listings change; on today's frameworks they run with it, in notebooks and in
scripts, with a screen and without. Each framework is a module of one outline:
``load_data_fashion_mnist``, ``sgd``, ``accuracy``, ``evaluate_accuracy``, ``train_epoch_ch3``,
``train_ch3``, ``Accumulator``, ``Animator``, ``plt``.

What differs from the book:

- A network is trained in training mode and evaluated without. The book's TensorFlow loop calls
  ``net(X)``, which leaves dropout out of training altogether.
- ``train_ch3`` asserts nothing of the result unless ``max_loss`` or ``min_accuracy`` ask for it:
  the book's 0.5 and 0.7 hold for its own recipe alone. It returns the curves, too.
- The images are in memory as bytes; a batch is made when its turn comes, without worker processes.
"""

from d2ldrop.d2l._curves import Accumulator, Animator

__all__ = ["Accumulator", "Animator"]
