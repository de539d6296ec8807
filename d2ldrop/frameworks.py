"""Facts about each framework that are needed before it is imported.

The table FRAMEWORKS has the facts about the frameworks of d2ldrop's own backends. The package of
another backend registers its facts in the entry-point group ``d2ldrop.frameworks``: the key is the
framework's import name, and the value a module with the constant ``FRAMEWORK``. That module does
not import the framework.
"""

from __future__ import annotations

import functools
import platform
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from d2ldrop.entry_points import modules_of

GROUP = "d2ldrop.frameworks"


@dataclass(frozen=True)
class Framework:
    """Facts about one framework, and what its backend declares; each has a default.

    Attributes:
        title: the official spelling of its name; its import name if empty.
        package: the name that pip installs; its import name if empty.
        aliases: other names, which an error suggests for.
        machines: the systems and processors for which its package has a wheel, as ``platform``
            names them; empty if unknown.
        debian_packages: Debian's packages of the system libraries that its wheel needs and lacks.
        install_beside_numpy_2: the command that installs it and keeps NumPy 2; empty if the extra
            keeps NumPy 2 too.
        environment: the environment variables that its workers start with.
        thread_variables: its own environment variables that set the size of its thread pool.
        cores_left_free: the number of cores that its workers leave free. It is set only if the
            framework uses one core unless OMP_NUM_THREADS is set.
        fast_execution: the environment variables that ``execution="fast"`` adds.
        dtypes: the floating-point dtypes of arrays that ``dropout_layer`` takes.
        autodiff: whether it differentiates ``dropout_layer``.
        concise: whether its backend has the concise version, with the framework's own layers.
        concise_noises: noises other than dropout for which it has its own layer.
        concise_limits: the largest dropout that the layer of a noise supports, and the reason.
        conversions: its types that are not arrays, and what to do with them instead.
    """

    title: str = ""
    package: str = ""
    aliases: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    debian_packages: tuple[str, ...] = ()
    install_beside_numpy_2: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    thread_variables: tuple[str, ...] = ()
    cores_left_free: int | None = None
    fast_execution: Mapping[str, str] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float32", "float64")
    autodiff: bool = False
    concise: bool = False
    concise_noises: tuple[str, ...] = ()
    concise_limits: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    conversions: Mapping[str, str] = field(default_factory=dict)


FLOATS = ("float16", "bfloat16", "float32", "float64")
UNIX = ("Linux x86_64", "Linux aarch64", "Darwin arm64")
FRAMEWORKS = {
    "numpy": Framework("NumPy", aliases=("np",), dtypes=FLOATS, concise=True),
    "torch": Framework(
        "PyTorch", aliases=("pytorch",), machines=UNIX, dtypes=FLOATS, autodiff=True, concise=True
    ),
    "tensorflow": Framework(
        "TensorFlow",
        aliases=("tf",),
        machines=UNIX,
        dtypes=FLOATS,
        autodiff=True,
        concise=True,
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
        aliases=("mx",),
        machines=("Linux x86_64", "Linux aarch64"),
        debian_packages=("libgomp1", "libquadmath0", "libgfortran5"),
        install_beside_numpy_2="pip install --no-deps mxnet==1.9.1",
        # Its engine computes in a thread while Python prepares the next step. A thread that
        # busy-waits on Python's core costs more time than it saves.
        cores_left_free=1,
        dtypes=("float16", "float32", "float64"),
        autodiff=True,
        concise=True,
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
        package="paddlepaddle",
        aliases=("paddlepaddle",),
        machines=("Linux x86_64", "Darwin arm64"),
        debian_packages=("libgomp1",),
        cores_left_free=0,
        # MKL takes its slowest path on processors that Intel did not make. Type 5 selects the AVX2
        # path. It does the same arithmetic in another order, so float64 stays in lockstep.
        fast_execution={"MKL_DEBUG_CPU_TYPE": "5"},
        dtypes=FLOATS,
        autodiff=True,
        concise=True,
        concise_noises=("unit",),
    ),
    "jax": Framework(
        "JAX",
        machines=UNIX,
        environment={"JAX_ENABLE_X64": "1"},  # without it, JAX makes float32 of float64
        thread_variables=("PJRT_NPROC",),  # XLA_FLAGS has one, too, but it has no effect
        dtypes=FLOATS,
        autodiff=True,
        concise=True,
        conversions={
            "Param": "X[...] is its array",
            "Ref": "X[...] is its array",
            "ShapeDtypeStruct": "it has no values: jax.eval_shape calls the function with X",
            "BCOO": "X.todense() makes an array",
            "BCSR": "X.todense() makes an array",
        },
    ),
}
"""Facts about the frameworks of d2ldrop's own backends, by import name."""


@functools.cache
def frameworks() -> Mapping[str, Framework]:
    """Facts about all frameworks that have some, by import name: FRAMEWORKS, then registered ones.

    A module that cannot be imported or has no ``FRAMEWORK`` gives a warning; defaults apply then.
    """
    facts = dict(FRAMEWORKS)
    for name, entry in sorted(modules_of(GROUP).items()):
        if name in facts:
            continue
        try:
            found = entry.load().FRAMEWORK
        except Exception as error:  # noqa: BLE001 - a faulty package must not stop the others
            found = error
        if isinstance(found, Framework):
            facts[name] = found
        else:
            warnings.warn(
                f"the facts about {name} are ignored: the module {entry.value} must have a "
                f"constant FRAMEWORK of the type d2ldrop.Framework, got {found!r}",
                stacklevel=2,
            )
    return facts


def aliases() -> dict[str, str]:
    """The framework that is meant by each other name; these names are suggested, not accepted."""
    return {alias: name for name, facts in frameworks().items() for alias in facts.aliases}


def how_to_convert(X: object) -> str:
    """What to do with ``X``, which is no array of a framework: the end of an error message."""
    kind = type(X).__name__
    for facts in frameworks().values():
        if kind in facts.conversions:
            return facts.conversions[kind]
    if hasattr(X, "toarray"):  # the sparse arrays and matrices of SciPy
        return "X.toarray() makes an array"
    return "numpy.asarray(X) makes an array of a list or a number"


def framework(name: str) -> Framework:
    """The facts of the framework with that import name."""
    return frameworks().get(name, Framework())


def title(name: str) -> str:
    """The framework's own spelling of its name; "torch-concise" is "PyTorch concise"."""
    name, _, implementation = name.partition("-")
    return f"{framework(name).title or name} {implementation}".rstrip()


def how_to_install(name: str, distribution: str | None) -> str:
    """How to install the framework here: a pip command, or why there is none.

    ``distribution`` is the package that registers the backend.
    """
    machine = f"{platform.system()} {platform.machine()}"
    if framework(name).machines and machine not in framework(name).machines:
        return f"it has no package for this machine ({machine})"
    if distribution != "d2ldrop":
        return f"pip install {framework(name).package or name}"
    alone = framework(name).install_beside_numpy_2
    if alone and int(version("numpy").partition(".")[0]) >= 2:
        return alone
    return f'pip install "d2ldrop[{name}]"'
