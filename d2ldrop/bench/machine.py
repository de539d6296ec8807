"""The conditions of a measurement: processor, threads, libraries, versions."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from d2ldrop.core.machine import cores, processor, recorded_environment


def machine_of_worker(backend: str) -> dict[str, Any]:
    """Describe the machine and the libraries of this process, which has imported ``backend``.

    "cores" is the number of cores that the process may use.
    """
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


def machine_line(described: dict[str, Any]) -> str:
    """Return one line: threads and kernels of the libraries, and the recorded variables."""
    libraries = ", ".join(
        f"{library['file']} {library['version'] or ''} "
        f"({library['threads']} threads{', ' + library['kernel'] if library['kernel'] else ''})"
        for library in described["libraries"]
    )
    variables = " ".join(f"{name}={value}" for name, value in described["environment"].items())
    version = described["framework_version"]
    return f"{version}; {libraries or 'no known BLAS library'}; {variables}"
