"""NumPy as MXNet 1.9.1 knows it: today's NumPy, and the names that it has lost since 2021.

MXNet's modules import this module's ``old_numpy()`` where they say ``import numpy``, at their
import and later; NumPy itself stays as it is.
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
    """NumPy with some names more."""

    def __getattr__(self, name: str) -> Any:
        """What NumPy loads only when it is asked for."""
        return getattr(np, name)


def old_numpy() -> ModuleType:
    """A module with the names of today's NumPy, and those removed names that it lacks."""
    module = _OldNumPy("numpy", "NumPy with the names that MXNet 1.9.1 reads.")
    vars(module).update({**_removed_names(), **vars(np)})
    return module


def _removed_names() -> dict[str, Any]:
    """Names that MXNet reads and NumPy removed: in 1.20 and 1.24 (aliases), 2.0, 2.4 (functions).

    NumPy's release notes give the replacement of each.
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
    """A financial function, which left NumPy in version 1.20 (NEP 32)."""

    def moved(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"NumPy no longer has {name}: use the package numpy-financial (NEP 32)"
        )

    return moved


@contextmanager
def imported_by_mxnet() -> Iterator[None]:
    """Within the context, MXNet's modules, and they alone, import the old NumPy.

    They also import ``distutils.version``, which Python 3.12 removed.
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
