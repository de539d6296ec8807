"""Facts about each framework that are needed before it is imported."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version


@dataclass(frozen=True)
class Framework:
    """Facts about one framework; the defaults are for a framework that d2ldrop does not know.

    Attributes:
        title: the official spelling of its name.
        machines: the systems and processors for which its package has a wheel, as ``platform``
            names them; empty if unknown.
        debian_packages: Debian's packages of the system libraries that its wheel needs and lacks.
        install_beside_numpy_2: the command that installs it and keeps NumPy 2; empty if the extra
            keeps NumPy 2 too.
        cores_left_free: the number of cores that its workers leave free. It is set only if the
            framework uses one core unless OMP_NUM_THREADS is set.
        fast_execution: the environment variables that ``execution="fast"`` adds.
        concise_noises: noises other than dropout for which it has its own layer.
        concise_limits: the largest dropout that the layer of a noise supports, and the reason.
        conversions: its types that are not arrays, and what to do with them instead.
    """

    title: str
    machines: tuple[str, ...] = ()
    debian_packages: tuple[str, ...] = ()
    install_beside_numpy_2: str = ""
    cores_left_free: int | None = None
    fast_execution: Mapping[str, str] = field(default_factory=dict)
    concise_noises: tuple[str, ...] = ()
    concise_limits: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    conversions: Mapping[str, str] = field(default_factory=dict)


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
        conversions={
            "KerasTensor": "it has no values: write a subclass of keras.layers.Layer whose method "
            "call uses dropout_layer, and call that layer",
            "SparseTensor": "tf.sparse.to_dense(X) makes an array",
            "RaggedTensor": "tf.ragged.map_flat_values(dropout_layer, X, dropout) keeps it ragged, "
            "and X.to_tensor() makes an array",
            "IndexedSlices": "tf.convert_to_tensor(X) makes an array",
            "TensorArray": "X.stack() makes an array",
        },
    ),
    "mxnet": Framework(
        "MXNet",
        ("Linux x86_64", "Linux aarch64"),
        ("libgomp1", "libquadmath0", "libgfortran5"),
        install_beside_numpy_2="pip install --no-deps mxnet==1.9.1",
        # Its engine computes in a thread while Python prepares the next step. A thread that
        # busy-waits on Python's core costs more time than it saves.
        cores_left_free=1,
        concise_noises=("unit",),
        concise_limits={
            "dropout": (0.9999, "Dropout makes NaN of 1"),
            "unit": (0.9999, "Dropout makes NaN of 1"),
        },
        conversions={
            "NDArray": "X.as_np_ndarray() makes an array of mx.np",
            "CSRNDArray": 'X.tostype("default").as_np_ndarray() makes an array of mx.np',
            "RowSparseNDArray": 'X.tostype("default").as_np_ndarray() makes an array of mx.np',
            "Symbol": "it has no values: call dropout_layer in a block that is not hybridized",
            "_Symbol": "it has no values: call dropout_layer in a block that is not hybridized",
            "Parameter": "X.data() is its array, in mx.np after mx.npx.set_np()",
        },
    ),
    "paddle": Framework(
        "PaddlePaddle",
        ("Linux x86_64", "Darwin arm64"),
        ("libgomp1",),
        cores_left_free=0,
        # MKL takes its slowest path on processors that Intel did not make. Type 5 selects the AVX2
        # path. It does the same arithmetic in another order, so float64 stays in lockstep.
        fast_execution={"MKL_DEBUG_CPU_TYPE": "5"},
        concise_noises=("unit",),
    ),
}
"""Facts by import name. The framework of a third-party backend need not be here."""


def how_to_convert(X: object) -> str:
    """What to do with ``X``, which is no array of a framework: the end of an error message."""
    kind = type(X).__name__
    for facts in FRAMEWORKS.values():
        if kind in facts.conversions:
            return facts.conversions[kind]
    if hasattr(X, "toarray"):  # the sparse arrays and matrices of SciPy
        return "X.toarray() makes an array"
    return "numpy.asarray(X) makes an array of a list or a number"


def framework(name: str) -> Framework:
    """The facts of the framework with that import name."""
    return FRAMEWORKS.get(name, Framework(name))


def title(name: str) -> str:
    """The framework's own spelling of its name; "torch-concise" is "PyTorch concise"."""
    name, _, implementation = name.partition("-")
    return f"{framework(name).title} {implementation}".rstrip()


def how_to_install(name: str, distribution: str | None) -> str:
    """How to install the framework here: a pip command, or why there is none.

    ``distribution`` is the package that registers the backend.
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
