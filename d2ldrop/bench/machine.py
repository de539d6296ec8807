"""What the figures depend on: processor, cores, threads, BLAS and its kernel, versions."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from d2ldrop.core.machine import cores, processor, recorded_environment


def machine(backend: str) -> dict[str, Any]:
    """The machine as a worker of ``backend``, whose framework is loaded, sees it."""
    libraries = [
        {
            "file": Path(library["filepath"]).name,
            "kind": library["internal_api"],
            "version": library["version"],
            "threads": library["num_threads"],
            "kernel": library.get("architecture"),
        }
        for library in threadpool_info()
    ]
    return {
        "processor": processor(),
        "cores": cores(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "framework_version": str(getattr(sys.modules[backend], "__version__", "unknown")),
        "libraries": libraries,
        "environment": recorded_environment(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def describe(found: dict[str, Any]) -> str:
    """One line: threads and kernels of the libraries, and the variables that are set."""
    libraries = ", ".join(
        f"{library['file']} {library['version'] or ''} "
        f"({library['threads']} threads{', ' + library['kernel'] if library['kernel'] else ''})"
        for library in found["libraries"]
    )
    variables = " ".join(f"{name}={value}" for name, value in found["environment"].items())
    return f"{found['framework_version']}; {libraries or 'no BLAS of a known kind'}; {variables}"
