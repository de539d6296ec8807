"""Facts about this machine: its cores, processor and environment variables."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
"""They set the sizes of thread pools. ``Framework.thread_variables`` are further ones."""
NUMERIC_VARIABLES = (
    *THREAD_VARIABLES,
    "OPENBLAS_CORETYPE",
    "MKL_DEBUG_CPU_TYPE",
    "CUDA_VISIBLE_DEVICES",
    "PJRT_NPROC",
    "XLA_FLAGS",
    "JAX_DEFAULT_MATMUL_PRECISION",
)
"""Variables that can change a run's numbers: they choose threads, kernels or devices."""
SPEED_VARIABLES = ("MXNET_ENGINE_TYPE", "OMP_WAIT_POLICY", "GLIBC_TUNABLES")
"""Variables that change a run's speed but not its numbers."""
RECORDED_VARIABLES = (*NUMERIC_VARIABLES, *SPEED_VARIABLES)
"""Variables that a result records if they are set."""


def cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def machine() -> dict[str, Any]:
    """The facts about this machine and its Python that a result records."""
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def recorded_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of ``environment`` that a result records."""
    return {name: environment[name] for name in RECORDED_VARIABLES if name in environment}


def numeric_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Each of NUMERIC_VARIABLES and its value; None if it is not set."""
    return {name: environment.get(name) for name in NUMERIC_VARIABLES}
