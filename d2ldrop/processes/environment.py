"""The environment variables that a worker starts with.

They must be set before the framework is imported, so the parent process sets them. Variables that
the user has set stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from d2ldrop.core.machine import CPUINFO, THREAD_VARIABLES, cores
from d2ldrop.frameworks import framework, frameworks, title

EXECUTIONS = ("default", "fast")
"""The execution modes: "fast" adds the variables of ``Framework.fast_execution``."""
MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:"
    f"glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold={2**31}"
}
"""For every worker: use huge pages if glibc and the kernel support them, and keep freed memory
for the next array. Otherwise a framework that allocates fresh pages for every result spends
more time in the kernel than on its arithmetic."""


def check_execution(backend: str, execution: str, cpuinfo: Path = CPUINFO) -> None:
    """Raise ValueError unless ``backend`` has the execution mode and this processor can run it."""
    if execution not in EXECUTIONS:
        raise ValueError(f"execution must be one of {', '.join(EXECUTIONS)}, got {execution!r}")
    if execution == "default":
        return
    if not framework(backend).fast_execution:
        able = ", ".join(
            title(name) for name, facts in frameworks().items() if facts.fast_execution
        )
        raise ValueError(
            f"{title(backend)} has no execution mode 'fast': {able} has one; "
            "'default' is as fast as its documented settings make it"
        )
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    needs = framework(backend).fast_needs
    if missing := [what for word, what in needs.items() if word not in text.split()]:
        raise ValueError(
            f"execution 'fast' of {title(backend)} needs {', '.join(needs.values())} under Linux, "
            f"and this machine lacks {', '.join(missing)}: 'default' runs everywhere"
        )


def worker_environment(
    backend: str,
    threads: int | None = None,
    execution: str = "default",
    user: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The variables to add to the environment ``user`` for a worker of ``backend``.

    With ``threads``, every thread pool gets that many threads. Without it, some frameworks would
    use one core only. They get all cores, minus ``Framework.cores_left_free``, unless the user has
    set OMP_NUM_THREADS.
    """
    facts = framework(backend)
    added = {} if "GLIBC_TUNABLES" in user else dict(MEMORY)
    added |= {name: value for name, value in facts.environment.items() if name not in user}
    if execution == "fast":
        added |= facts.fast_execution
    if threads is not None:
        return added | dict.fromkeys((*THREAD_VARIABLES, *facts.thread_variables), str(threads))
    if facts.cores_left_free is not None and "OMP_NUM_THREADS" not in user:
        added["OMP_NUM_THREADS"] = str(max(1, cores() - facts.cores_left_free))
    return added
