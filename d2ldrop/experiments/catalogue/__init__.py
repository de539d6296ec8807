"""The experiments, one module each: every module defines ``EXPERIMENT``."""
