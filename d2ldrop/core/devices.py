"""Names of devices: one spelling for all frameworks."""

from __future__ import annotations

import re
from typing import Any

from d2ldrop.backend import Backend


def check_device(module: Backend[Any], backend: str, device: str) -> str:
    """The full name of a device that the framework can use here.

    Raises:
        ValueError: no device's name, or not one of the framework's.
    """
    name = device_name(device)
    if name not in module.devices():
        raise ValueError(
            f"device {device!r} is none that {backend} can use here: "
            f"expected one of {', '.join(module.devices())}"
        )
    return name


def device_name(device: str) -> str:
    """The full name of a device: "gpu:0" for "gpu", and "cuda" counts as "gpu".

    Raises:
        ValueError: no device has such a name in any framework.
    """
    match = re.fullmatch(r"cpu|(?:gpu|cuda)(?::(\d+))?", str(device))
    if match is None:
        raise ValueError(f"device must be cpu, gpu or gpu:N, got {device!r}")
    return "cpu" if device == "cpu" else f"gpu:{int(match[1] or 0)}"
