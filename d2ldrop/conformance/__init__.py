"""The conformance suite: does a backend do what the others do, and if not, where does it differ?"""

LEVELS = {
    "L0": "masks",
    "L1": "layer",
    "L2": "one step",
    "L3": "lockstep",
    "L4": "float32 and fresh masks",
}
"""The levels, in their order, and what each is about."""
