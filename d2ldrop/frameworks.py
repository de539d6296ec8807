"""Facts about each framework that are needed before it is imported.

The table FRAMEWORKS has the facts about the frameworks of d2ldrop's own backends. The package of
another backend registers its facts in the entry-point group ``d2ldrop.frameworks``: the key is the
framework's import name, and the value a module with the constant ``FRAMEWORK``. That module must
not import the framework: it is loaded by commands that only print a name.
"""

from __future__ import annotations

import functools
import platform
import sys
import warnings
from collections.abc import Mapping
from importlib.metadata import EntryPoint, version

from d2ldrop.entry_points import modules_of
from d2ldrop.facts import Framework

__all__ = [
    "FRAMEWORKS",
    "GROUP",
    "Framework",
    "aliases",
    "framework",
    "frameworks",
    "how_to_convert",
    "how_to_install",
    "title",
]

GROUP = "d2ldrop.frameworks"


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
        expected_failures={
            "L4.threads": "MXNet: threads that draw fresh masks at the same time start from the "
            "same state",
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
        # The process would crash at an instruction that the processor does not support.
        fast_needs={"AuthenticAMD": "an AMD processor", "avx2": "AVX2", "fma": "FMA"},
        dtypes=FLOATS,
        autodiff=True,
        concise=True,
        concise_noises=("unit",),
    ),
    "jax": Framework(
        "JAX",
        needs=("flax", "optax"),
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
        if name in FRAMEWORKS:
            _warn(entry, "are ignored: d2ldrop has facts of its own about it")
        elif (found := _registered(entry)) is not None:
            facts[name] = found
    return facts


def _registered(entry: EntryPoint) -> Framework | None:
    """The facts that an entry point registers; None, after a warning, if it is faulty."""
    loaded = entry.name in sys.modules
    wanted = "expected a module with a constant FRAMEWORK of the type d2ldrop.Framework"
    try:
        found = getattr(entry.load(), "FRAMEWORK", None)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it must not stop the others
        _warn(entry, f"are ignored: {wanted}; its import raised {type(error).__name__}: {error}")
        return None
    if not isinstance(found, Framework):
        _warn(entry, f"are ignored: {wanted}; its FRAMEWORK is {found!r}")
        return None
    if entry.name in sys.modules and not loaded:
        _warn(
            entry,
            f"import {entry.name} itself, which takes long and comes before its environment is set:"
            f" expected a module that does not import it",
        )
    return found


def _warn(entry: EntryPoint, what: str) -> None:
    package = entry.dist.name if entry.dist is not None else "unknown"
    warnings.warn(
        f"the facts about {entry.name} in the module {entry.value} of the package {package!r} "
        f"{what}",
        stacklevel=4,
    )


def aliases() -> dict[str, str]:
    """The framework that is meant by each other name; these names are suggested, not accepted.

    If two frameworks have the same alias, the one that ``frameworks`` lists first is meant.
    """
    found: dict[str, str] = {}
    for name, facts in frameworks().items():
        for alias in facts.aliases:
            found.setdefault(alias.lower(), name)
    return {alias: name for alias, name in found.items() if alias not in frameworks()}


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
    facts, machine = framework(name), f"{platform.system()} {platform.machine()}"
    if facts.machines and machine not in facts.machines:
        return f"it has no package for this machine ({machine})"
    if facts.install_beside_numpy_2 and int(version("numpy").partition(".")[0]) >= 2:
        return facts.install_beside_numpy_2
    if distribution != "d2ldrop":
        return f"pip install {facts.package or name}"
    return f'pip install "d2ldrop[{name}]"'
