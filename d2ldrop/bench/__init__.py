"""Benchmarks: d2ldrop, what users of each framework would write, and a lower bound.

The contenders of a benchmark run in one process, in turn (A B A B …), after a warm-up. Results are
ratios of pairs, because the speed of a machine drifts. ``d2ldrop bench`` runs the benchmarks.

- ``driver``: runs one worker per framework; ``measure``: what a worker measures; ``startup``: times
  whole processes.
- ``timing``: turns and their statistics; ``products``: the matrix products of a training step.
- ``on_<framework>``: its matrix products, its own dropout, its usual trainers.
- ``machine``: processor, libraries and versions; ``tables`` and ``pictures``: the results.
"""
