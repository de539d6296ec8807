"""Names of devices: one spelling for all frameworks."""

from __future__ import annotations

import functools
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
    for name in ("device", "place", "ctx"):  # as PyTorch and TensorFlow, Paddle, MXNet call it
        place = getattr(x, name, None)
        if place is not None:
            return _full_name(str(place))
    return "cpu"


@functools.cache
def _full_name(place: str) -> str:
    """The full name of a device in a framework's own spelling; "" is a device not known yet."""
    match = re.search(r"(?:gpu|cuda)\D*(\d+)", place, re.IGNORECASE)
    if match is not None:
        return f"gpu:{match[1]}"
    return "cpu" if place == "" or "cpu" in place.lower() else place
