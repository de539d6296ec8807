"""The conformance suite: whether a backend does what the others do, and if not, where it differs."""
