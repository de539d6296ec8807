"""What is known of each framework before it is imported: one row of facts per framework."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version


@dataclass(frozen=True)
class Framework:
    """The facts of one framework; the defaults are those of a framework that d2ldrop does not know.

    Attributes:
        title: its name as its makers spell it.
        machines: the systems and processors for which its package has a wheel, as ``platform``
            names them; empty if unknown.
        debian_packages: Debian's packages of the system libraries that its wheel needs and lacks.
        install_beside_numpy_2: the command that installs it without replacing NumPy 2, if the extra
            would replace it.
        cores_left_free: set if the framework computes on one core unless OMP_NUM_THREADS says
            otherwise: of all cores, how many its workers leave free.
        fast_execution: the environment variables that ``execution="fast"`` adds.
        concise_noises: noises besides dropout for which it has a layer of its own.
        concise_limits: for a noise, the largest dropout that its layer takes, and why.
    """

    title: str
    machines: tuple[str, ...] = ()
    debian_packages: tuple[str, ...] = ()
    install_beside_numpy_2: str = ""
    cores_left_free: int | None = None
    fast_execution: Mapping[str, str] = field(default_factory=dict)
    concise_noises: tuple[str, ...] = ()
    concise_limits: Mapping[str, tuple[float, str]] = field(default_factory=dict)


UNIX = ("Linux x86_64", "Linux aarch64", "Darwin arm64")
FRAMEWORKS = {
    "numpy": Framework("NumPy"),
    "torch": Framework("PyTorch", UNIX),
    "tensorflow": Framework(
        "TensorFlow",
        UNIX,
        concise_noises=("gaussian", "additive", "unit"),
        concise_limits={
            "additive": (0.5, "GaussianNoise has a standard deviation of at most 1"),
        },
    ),
    "mxnet": Framework(
        "MXNet",
        ("Linux x86_64", "Linux aarch64"),
        ("libgomp1", "libquadmath0", "libgfortran5"),
        install_beside_numpy_2="pip install --no-deps mxnet==1.9.1",
        # Its engine computes in a thread while Python prepares the next step. A thread that spins
        # on the core that Python needs costs more than it gives.
        cores_left_free=1,
        concise_noises=("unit",),
        concise_limits={
            "dropout": (0.9999, "Dropout makes NaN of 1"),
            "unit": (0.9999, "Dropout makes NaN of 1"),
        },
    ),
    "paddle": Framework(
        "PaddlePaddle",
        ("Linux x86_64", "Darwin arm64"),
        ("libgomp1",),
        cores_left_free=0,
        # Its MKL takes its slowest path on a processor that is not Intel's; type 5 is the AVX2
        # path: the same arithmetic in another order, so float64 stays in lockstep.
        fast_execution={"MKL_DEBUG_CPU_TYPE": "5"},
        concise_noises=("unit",),
    ),
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
    """How to install the framework here: a pip command, or why there is none.

    ``distribution`` is the one that registers its backend.
    """
    machine = f"{platform.system()} {platform.machine()}"
    if framework(name).machines and machine not in framework(name).machines:
        return f"it has no package for this machine ({machine})"
    if distribution != "d2ldrop":
        return f"pip install {name}"
    alone = framework(name).install_beside_numpy_2
    if alone and int(version("numpy").partition(".")[0]) >= 2:
        return alone
    return f'pip install "d2ldrop[{name}]"'
