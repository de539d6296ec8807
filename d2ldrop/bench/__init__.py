"""Benchmarks: this project beside what each framework's users would write, and beside the floor.

All that is compared is timed in one process, in turn (A B A B …), after a warm-up; what is reported
are ratios of pairs, for a machine's own speed drifts. ``d2ldrop bench`` runs them.

- ``timing``: the turns and their statistics.
- ``on_<framework>``: its matrix products, its own dropout, its usual trainers.
- ``measure``: what a worker process measures; ``bench`` starts one a framework.
- ``machine``: what the figures depend on; ``report``: table and picture.
"""
