"""Fake backends. Each is installed like a third party's backend, with an entry point.

Each is a copy of the NumPy backend with another framework name. Its name says which fault it has.
"""

from __future__ import annotations

import os
from pathlib import Path

BODIES = {
    # No fault: this backend shows that a third party can add a framework.
    "honest": "",
    "crashing": """
def train_step(*args, **kwargs):
    import os, signal
    os.kill(os.getpid(), signal.SIGSEGV)
""",
    "hanging": """
def train_step(*args, **kwargs):
    import time
    time.sleep(600)
""",
    "raising": """
def train_step(*args, **kwargs):
    print("a framework prints what it likes")
    raise RuntimeError("out of memory, say")
""",
    # Rounds as if one operation used float32.
    "drifting": """
def train_step(params, *args, **kwargs):
    params, loss, logits = d2ldrop_numpy.train_step(params, *args, **kwargs)
    return [p.astype("float32").astype(p.dtype) for p in params], loss, logits
""",
    "broken": "raise ImportError('libbroken.so: no such file')",
    "slow": """
def train_step(*args, **kwargs):
    import time
    time.sleep(0.2)
    return d2ldrop_numpy.train_step(*args, **kwargs)
""",
}


def install(folder: Path, *names: str) -> dict[str, str]:
    """Install fake backends into ``folder``; return the environment in which they are found."""
    info = folder / "fakes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fakes\nVersion: 1.0\n")
    lines = [f"{name} = fake_{name}" for name in names]
    (info / "entry_points.txt").write_text("\n".join(["[d2ldrop.backends]", *lines, ""]))
    for name in names:
        (folder / f"{name}.py").write_text('__version__ = "1.0"\n')
        (folder / f"fake_{name}.py").write_text(
            f"import {name}\nimport d2ldrop_numpy\nfrom d2ldrop_numpy import *\n{BODIES[name]}"
        )
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
