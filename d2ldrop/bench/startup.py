"""Time the start of processes: Python, d2ldrop, a framework, and its backend."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping

from d2ldrop.bench.timing import Timings, in_turn, seconds


def time_startup(backend: str, python: str, environment: Mapping[str, str], rounds: int) -> Timings:
    """Return the seconds that whole processes take: Python alone, and Python with each import.

    Args:
        backend: the framework's import name.
        python: the interpreter.
        environment: all environment variables of the processes.
        rounds: the number of timings per process.

    Raises:
        subprocess.CalledProcessError: a process failed.
    """

    def process(code: str) -> Callable[[], float]:
        command = [python, "-c", code]
        return lambda: seconds(
            lambda: subprocess.run(command, check=True, capture_output=True, env=environment)
        )

    framework = f"import {backend}"
    if backend == "mxnet":  # its import needs names that NumPy has removed
        framework = (
            f"from d2ldrop.core.imports import mxnet_import\nwith mxnet_import(): {framework}"
        )
    return in_turn(
        {
            "python": process("pass"),
            "import d2ldrop": process("import d2ldrop"),
            f"import {backend}": process(framework),
            "get_backend": process(f"import d2ldrop; d2ldrop.get_backend({backend!r})"),
        },
        rounds,
    )
