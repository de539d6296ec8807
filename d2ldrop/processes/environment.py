"""The environment that a worker starts in: the variables that decide how fast its framework is.

They must be there before the framework is imported, so nothing else can set them. What the user has
set stays as it is.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d2ldrop.core.checks import check_positive
from d2ldrop.frameworks import title

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
"""What ``threads`` sets: between them they bind every framework's thread pool."""
RECORDED = (
    *THREADS,
    "OPENBLAS_CORETYPE",
    "MKL_DEBUG_CPU_TYPE",
    "MXNET_ENGINE_TYPE",
    "OMP_WAIT_POLICY",
    "GLIBC_TUNABLES",
    "CUDA_VISIBLE_DEVICES",
)
"""What a result records, where it is set."""
CORES_LEFT_FREE = {"mxnet": 1, "paddle": 0}
"""Frameworks that compute on one core unless OMP_NUM_THREADS says otherwise, and how many of all
cores to leave free: MXNet's engine computes in a thread while Python prepares what is next, and
threads that spin on the core that Python needs cost more than they give."""
MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:"
    f"glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold={2**31}"
}
"""For every worker: huge pages, where glibc and the kernel have them, and memory that is freed is
kept for the next array. A framework that takes fresh pages for every result else waits for the
kernel longer than it computes."""
EXECUTIONS = ("default", "fast")
FAST = {"paddle": {"MKL_DEBUG_CPU_TYPE": "5"}}
"""What ``execution="fast"`` adds, by framework: switches that their makers do not document.

Paddle's MKL takes its slowest path on a processor that is not Intel's; type 5 is the AVX2 path. The
same arithmetic in another order: float64 stays in lockstep.
"""


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_execution(backend: str, execution: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Raise ValueError unless ``backend`` has the execution mode and this processor can run it."""
    if execution not in EXECUTIONS:
        raise ValueError(f"execution must be one of {', '.join(EXECUTIONS)}, got {execution!r}")
    if execution == "default":
        return
    if backend not in FAST:
        able = ", ".join(title(name) for name in FAST)
        raise ValueError(
            f"{title(backend)} has no execution mode 'fast': {able} has one; "
            "'default' is as fast as its documented settings make it"
        )
    # An instruction that the processor lacks would kill the process.
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    if not {"AuthenticAMD", "avx2", "fma"} <= set(text.split()):
        raise ValueError(
            f"execution 'fast' of {title(backend)} needs an AMD processor with AVX2 and FMA, under "
            "Linux, and this is none: 'default' runs everywhere"
        )


def worker_environment(
    backend: str,
    threads: int | None = None,
    execution: str = "default",
    user: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """What is added to the environment ``user`` for a worker of ``backend``.

    With ``threads``, every thread pool gets that many; without, frameworks that would leave cores
    idle get them, unless the user has set OMP_NUM_THREADS.
    """
    added = {} if "GLIBC_TUNABLES" in user else dict(MEMORY)
    added |= dict(FAST.get(backend, {})) if execution == "fast" else {}
    if threads is not None:
        return added | dict.fromkeys(THREADS, str(threads))
    if backend in CORES_LEFT_FREE and "OMP_NUM_THREADS" not in user:
        added["OMP_NUM_THREADS"] = str(max(1, cores() - CORES_LEFT_FREE[backend]))
    return added


def check_threads(threads: int | None) -> int | None:
    """``threads``, if it is a positive number of threads or None.

    Raises:
        TypeError, ValueError: it is neither.
    """
    return None if threads is None else check_positive(threads, "threads")


def recorded_environment() -> dict[str, str]:
    """The variables of this process that a result records."""
    return {name: os.environ[name] for name in RECORDED if name in os.environ}


def machine() -> dict[str, Any]:
    """This machine and its Python, as results record them."""
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def processor() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
