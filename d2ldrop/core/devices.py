"""Names of devices: one spelling for all frameworks."""

from __future__ import annotations

import re
from typing import Any


def device_name(device: str) -> str:
    """The full name of a device: "gpu:0" for "gpu". "cuda" means "gpu".

    Raises:
        ValueError: ``device`` is not the name of a device in any framework.
    """
    match = re.fullmatch(r"cpu|(?:gpu|cuda)(?::(\d+))?", str(device))
    if match is None:
        raise ValueError(f"device must be cpu, gpu or gpu:N, got {device!r}")
    return "cpu" if device == "cpu" else f"gpu:{int(match[1] or 0)}"


def device_of(x: Any) -> str:
    """The full name of the device that holds ``x``, an array of any framework.

    Other kinds of devices, such as PyTorch's "meta", keep the name that the framework uses.
    """
    places = (str(getattr(x, name)) for name in ("device", "place", "ctx") if hasattr(x, name))
    place = next(places, "cpu")
    match = re.search(r"(?:gpu|cuda)\D*(\d+)", place, re.IGNORECASE)
    if match is not None:
        return f"gpu:{match[1]}"
    return "cpu" if place == "" or "cpu" in place.lower() else place
