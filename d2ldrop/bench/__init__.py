"""Benchmarks of d2ldrop, of the code that users of each framework write, and of a lower bound.

The contenders of a benchmark run in one process, in turn (A B A B …), after a warm-up. Results are
ratios of pairs, because the speed of a machine drifts. ``d2ldrop bench`` runs the benchmarks.

- ``driver``: runs one worker per framework; ``measure``: what a worker measures; ``startup``: times
  whole processes.
- ``timing``: timing in turns, and statistics; ``products``: the matrix products of a training step.
- ``peers``: the contract of a module with a framework's products, own dropout and usual trainers;
  ``on_<framework>``: these modules of d2ldrop's own backends.
- ``machine``: processor, libraries and versions; ``tables`` and ``pictures``: the results.
"""

from d2ldrop.bench.peers import Peers

__all__ = ["Peers"]
