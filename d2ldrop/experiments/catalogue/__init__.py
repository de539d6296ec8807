"""The experiments. Each module defines one, as ``EXPERIMENT``."""
