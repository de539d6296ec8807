"""What is known of each framework before it is imported: its name, its packages, its machines."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import version


@dataclass(frozen=True)
class Framework:
    """The facts of one framework; the defaults are for one that d2ldrop does not know."""

    title: str
    """Its makers' spelling of its name."""
    machines: tuple[str, ...] = ()
    """System and processor for which its package has a wheel, as ``platform`` names them."""
    debian_packages: tuple[str, ...] = ()
    """Debian's packages of the system libraries that its wheel needs and does not bring."""
    concise_noises: tuple[str, ...] = ()
    concise_limits: dict[str, tuple[float, str]] = field(default_factory=dict)


UNIX = ("Linux x86_64", "Linux aarch64", "Darwin arm64")
FRAMEWORKS = {
    "numpy": Framework("NumPy"),
    "torch": Framework("PyTorch", UNIX),
    "tensorflow": Framework(
        "TensorFlow",
        UNIX,
        concise_noises=("gaussian", "additive", "unit"),
        concise_limits={"additive": (0.5, "GaussianNoise has a standard deviation of at most 1")},
    ),
    "mxnet": Framework(
        "MXNet",
        ("Linux x86_64", "Linux aarch64"),
        ("libgomp1", "libquadmath0", "libgfortran5"),
        ("unit",),
        {"dropout": (0.9999, "Dropout makes NaN of 1"), "unit": (0.9999, "Dropout makes NaN of 1")},
    ),
    "paddle": Framework("PaddlePaddle", ("Linux x86_64", "Darwin arm64"), ("libgomp1",), ("unit",)),
}
"""By import name. A third party's framework need not be here."""


def framework(name: str) -> Framework:
    """The facts of the framework with that import name."""
    return FRAMEWORKS.get(name, Framework(name))


def title(name: str) -> str:
    """The framework's own spelling of its name; "torch-concise" is "PyTorch concise"."""
    name, _, implementation = name.partition("-")
    return f"{framework(name).title} {implementation}".rstrip()


def how_to_install(name: str, distribution: str | None) -> str:
    """How to install the framework here: a pip line, or why there is none.

    ``distribution`` is the one that registers its backend.
    """
    machine = f"{platform.system()} {platform.machine()}"
    if framework(name).machines and machine not in framework(name).machines:
        return f"it has no package for this machine ({machine})"
    if distribution != "d2ldrop":
        return f"pip install {name}"
    if name == "mxnet" and int(version("numpy").partition(".")[0]) >= 2:
        return "pip install --no-deps mxnet==1.9.1"  # the extra would bring NumPy 1.26
    return f'pip install "d2ldrop[{name}]"'
