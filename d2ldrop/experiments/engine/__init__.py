"""Runs, judges and reports an experiment."""
