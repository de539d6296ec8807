"""NumPy for MXNet 1.9.1: today's NumPy and the names that NumPy has removed since 2021.

While MXNet is imported, ``import numpy`` in its modules gives ``old_numpy()``, and they keep using
it later. NumPy itself does not change.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import numpy as np
from packaging.version import Version


class _OldNumPy(ModuleType):
    """NumPy with additional names."""

    def __getattr__(self, name: str) -> Any:
        """Get a name that NumPy loads only on first use."""
        return getattr(np, name)


def old_numpy() -> ModuleType:
    """A module with all names of today's NumPy, plus the removed names."""
    module = _OldNumPy("numpy", "NumPy with the names that MXNet 1.9.1 reads.")
    vars(module).update({**_removed_names(), **vars(np)})
    return module


def _removed_names() -> dict[str, Any]:
    """Names that MXNet uses and that NumPy removed in versions 1.20 to 2.4.

    NumPy's release notes name the replacements.
    """
    aliases = {"bool": np.bool_, "int": int, "compat": SimpleNamespace(basestring=str, unicode=str)}
    constants = {
        **dict.fromkeys(("NAN", "NaN"), np.nan),
        **dict.fromkeys(("Inf", "Infinity", "PINF", "infty"), np.inf),
        "NINF": -np.inf,
        "PZERO": 0.0,
        "NZERO": -0.0,
    }
    functions = {
        "alltrue": np.all,
        "sometrue": np.any,
        "product": np.prod,
        "cumproduct": np.cumprod,
        "round_": np.round,
        "row_stack": np.vstack,
        "trapz": getattr(np, "trapezoid", None),  # NumPy before 2.0 has trapz itself
        "in1d": _in1d,
        "msort": _msort,
    }
    financial = ("fv", "ipmt", "irr", "mirr", "nper", "npv", "pmt", "ppmt", "pv", "rate")
    return {**aliases, **constants, **functions, **{name: _moved(name) for name in financial}}


def _in1d(ar1: Any, ar2: Any, *args: Any, **kwargs: Any) -> Any:
    """Whether each element of ``ar1``, flattened, is in ``ar2``."""
    return np.isin(np.ravel(ar1), ar2, *args, **kwargs)


def _msort(a: Any) -> Any:
    """A copy of ``a``, sorted along its first axis."""
    return np.sort(a, axis=0)


def _moved(name: str) -> Callable[..., NoReturn]:
    """A substitute for a financial function, which NumPy 1.20 removed (NEP 32)."""

    def moved(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"NumPy no longer has {name}: use the package numpy-financial (NEP 32)"
        )

    return moved


@contextmanager
def imported_by_mxnet() -> Iterator[None]:
    """Within this context, MXNet's modules import the old NumPy; other modules do not.

    MXNet's modules also get ``distutils.version``, which Python 3.12 removed.
    """
    lent = {
        "numpy": old_numpy(),
        "distutils.version": SimpleNamespace(StrictVersion=Version, LooseVersion=Version),
    }
    import_module = builtins.__import__

    def import_or_lend(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        importer = str((globals or {}).get("__name__", ""))
        if name in lent and level == 0 and importer.partition(".")[0] == "mxnet":
            return lent[name]
        return import_module(name, globals, locals, fromlist, level)

    builtins.__import__ = import_or_lend
    try:
        yield
    finally:
        builtins.__import__ = import_module
