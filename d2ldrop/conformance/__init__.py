"""The conformance suite: does a backend do what the others do, and if not, where does it differ?"""
