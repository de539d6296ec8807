"""Importing d2ldrop or a backend has no side effects; each test starts a new process."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

from d2ldrop.core.numpy_for_mxnet import old_numpy
from tests.conftest import skip_without

ROOT = Path(__file__).parents[2]


def python(code: str, *options: str) -> str:
    """Run code in a new process and return what it prints."""
    out = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, check=False
    )
    assert out.returncode == 0, out.stderr
    return out.stdout.strip()


def test_importing_d2ldrop_loads_no_framework_and_little_else() -> None:
    loaded = python("import sys, d2ldrop; print(*sys.modules)").split()
    heavy = {
        "numpy",
        "torch",
        "tensorflow",
        "mxnet",
        "paddle",
        "jax",
        "matplotlib",
        "rich",
        "requests",
    }
    assert not heavy & set(loaded)


def test_using_the_core_loads_no_framework() -> None:
    code = (
        "import sys, numpy as np, d2ldrop, d2ldrop.cli.main\n"
        "d2ldrop.dropout_layer(np.ones(3), 0.5); d2ldrop.available_backends(); d2ldrop.Recipe()\n"
        "print(*{'torch', 'tensorflow', 'mxnet', 'paddle', 'jax'} & set(sys.modules))"
    )
    assert python(code) == ""


def test_all_public_names_exist() -> None:
    code = (
        "import d2ldrop\n"
        "print([n for n in d2ldrop.__all__ if getattr(d2ldrop, n) is None])\n"
        "print(sorted(d2ldrop._HOME_OF) == sorted(d2ldrop.__all__))"
    )
    assert python(code).split("\n") == ["[]", "True"]


@skip_without("tensorflow", "paddle")
def test_paddle_after_tensorflow_is_refused_instead_of_crashing() -> None:
    code = (
        "import d2ldrop\n"
        "d2ldrop.get_backend('tensorflow')\n"
        "for use in (d2ldrop.get_backend, d2ldrop.train):\n"
        "    try:\n"
        "        use('paddle')\n"
        "    except ImportError as error:\n"
        "        print(error)\n"
    )
    first, second = python(code).splitlines()
    assert first == second
    assert "segmentation fault" in first
    assert "Import paddle before tensorflow" in first


@skip_without("tensorflow", "paddle")
def test_paddle_before_tensorflow_works() -> None:
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "import numpy as np, d2ldrop\n"
        "for name in ('paddle', 'tensorflow'):\n"
        "    B = d2ldrop.get_backend(name)\n"
        "    Y = d2ldrop.dropout_layer(B.from_numpy(np.ones((2, 8))), 0.5, seed=0)\n"
        "    print(B.to_numpy(Y).sum())\n"
    )
    assert python(code).split() == ["18.0", "18.0"]


@skip_without("mxnet")
def test_importing_mxnet_does_not_change_numpy_python_or_the_warning_filters() -> None:
    code = (
        "import builtins, sys, warnings, numpy as np, d2ldrop\n"
        "names, state, filters = set(vars(np)), np.geterr(), list(warnings.filters)\n"
        "importing, distutils = builtins.__import__, 'distutils' in sys.modules\n"
        "d2ldrop.get_backend('mxnet')\n"
        "import mxnet\n"
        # MXNet imports SciPy, and SciPy makes NumPy load submodules.
        "new = {n for n, value in vars(np).items() if type(value) is not type(np)} - names\n"
        "print(new, np.geterr() == state, warnings.filters == filters,\n"
        "      builtins.__import__ is importing, ('distutils' in sys.modules) == distutils,\n"
        "      mxnet.util.is_np_array(), mxnet.util.is_np_shape())"
    )
    expected = "set() True True True True False False"
    assert python(code, "-W", "error").splitlines()[-1] == expected


@skip_without("mxnet")
def test_functions_of_mxnet_find_old_names_of_numpy_at_each_call() -> None:
    """MXNet 1.9.1 also uses names that later versions of NumPy do not have."""
    code = (
        "import warnings, numpy as np, d2ldrop\n"
        "d2ldrop.get_backend('mxnet')\n"
        "import mxnet as mx\n"
        "mx.npx.set_np()\n"
        "print(mx.np.full((2,), True).dtype, mx.np.ones(2, dtype=mx.np.bool).dtype)\n"
        "x = mx.np.array([3.0, 1.0])\n"
        "print(mx.np.alltrue(x), mx.np.in1d(x, x), mx.np.msort(x), mx.np.trapz(x))\n"
        "print(x[mx.np.array([True, False], dtype=bool)], mx.np.pad(x, (1, 1), mode='constant'))\n"
        "print(mx.np.NAN, mx.np.NINF, mx.np.PZERO)\n"
        "print(np.prod(x), np.any(x), np.round(x))\n"
    )
    assert python(code).split("\n") == [
        "bool bool",
        "True [ True  True] [1. 3.] 2.0",
        "[3.] [0. 3. 1. 0.]",
        "nan -inf 0.0",
        "3.0 True [3. 1.]",
    ]


@skip_without("mxnet")
def test_every_numpy_name_that_mxnet_uses_exists() -> None:
    spec = find_spec("mxnet")
    assert spec is not None
    assert spec.origin is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MXNet's strings and NumPy's old names give warnings
        read = {
            name for file in Path(spec.origin).parent.rglob("*.py") for name in numpy_names_of(file)
        }
        missing = {name for name in read if not hasattr(old_numpy(), name)}
    assert {"bool", "float32", "msort"} <= read
    assert missing == set()


def numpy_names_of(file: Path) -> set[str]:
    """The attributes of NumPy that a module uses."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    imports = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    aliases = {alias.asname or alias.name for alias in imports if alias.name == "numpy"}
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in aliases
    }


def test_a_removed_financial_function_raises_an_error_with_the_reason() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        npv = old_numpy().npv
        with pytest.raises((NotImplementedError, RuntimeError), match="NEP 32"):
            npv(0.1, [1.0])


@skip_without("mxnet")
def test_using_mxnet_does_not_change_its_numpy_scope() -> None:
    code = (
        "import numpy as np, d2ldrop\n"
        "B = d2ldrop.get_backend('mxnet')\n"
        "import mxnet\n"
        "d2ldrop.dropout_layer(B.from_numpy(np.ones(())), 0.5)\n"
        "print(mxnet.util.is_np_array(), mxnet.util.is_np_shape())\n"
    )
    assert python(code) == "False False"


@skip_without("mxnet", "torch")
@pytest.mark.parametrize("order", [("torch", "mxnet"), ("mxnet", "torch")])
def test_mxnet_does_not_change_the_threads_of_torch(order: tuple[str, str]) -> None:
    alone = python("import torch; print(torch.get_num_threads())")
    code = "import d2ldrop\n" + "".join(f"d2ldrop.get_backend({name!r})\n" for name in order)
    assert python(code + "import torch; print(torch.get_num_threads())") == alone


def test_the_error_for_a_missing_framework_has_the_pip_command() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"  # as if it were not installed
        "import d2ldrop\n"
        "print('torch' in d2ldrop.available_backends())\n"
        "try:\n"
        "    d2ldrop.get_backend('torch')\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error, error.name)\n"
    )
    assert python(code).splitlines() == [
        "False",
        "backend 'torch' needs PyTorch: pip install \"d2ldrop[torch]\" torch",
    ]


def test_a_broken_framework_raises_its_own_error(tmp_path: Path) -> None:
    (tmp_path / "mxnet.py").write_text("import a_module_that_mxnet_would_need\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import d2ldrop\n"
        "try:\n"
        "    d2ldrop.get_backend('mxnet')\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error)\n"
    )
    assert python(code) == "No module named 'a_module_that_mxnet_would_need'"


@pytest.mark.parametrize("error", ["OSError", "ImportError"])
@pytest.mark.parametrize(
    ("framework", "library", "message"),
    [
        (
            "mxnet",
            "libquadmath.so.0",
            "MXNet needs the library libquadmath.so.0, which this system lacks; "
            "on Debian and Ubuntu: apt install libgomp1 libquadmath0 libgfortran5",
        ),
        ("paddle", "libgomp.so.1", "on Debian and Ubuntu: apt install libgomp1"),
        ("torch", "/lib/libstdc++.so.6", "on Debian and Ubuntu: apt install libstdc++6"),
        (
            "tensorflow",
            "libtensorflow_cc.so.2",
            "the system package that contains it, or reinstall the framework",
        ),
    ],
)
def test_the_error_for_a_missing_system_library_names_its_package(
    tmp_path: Path, framework: str, library: str, message: str, error: str
) -> None:
    lacking = f"{library}: cannot open shared object file: No such file or directory"
    (tmp_path / f"{framework}.py").write_text(f"raise {error}({lacking!r})\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    code = (
        "import d2ldrop\n"
        "try:\n"
        f"    d2ldrop.get_backend({framework!r})\n"
        "except ImportError as error:\n"
        "    print(error, '|', error.__cause__)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True
    )
    said, _, cause = out.stdout.partition(" | ")
    assert said.endswith(message)
    assert Path(library).name in said
    assert cause.strip() == lacking


def test_the_error_for_an_unknown_backend_suggests_a_name() -> None:
    from d2ldrop import get_backend

    with pytest.raises(
        ValueError, match=r"unknown backend 'tourch': expected one of numpy, .*torch'"
    ):
        get_backend("tourch")


@skip_without("torch", "mxnet")
@pytest.mark.slow
def test_a_test_process_refuses_a_second_framework() -> None:
    """In one process, the fixture ``backend`` must fail the tests of a second framework."""
    out = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider"),
            str(ROOT / "tests" / "test_layer.py"),
            *("-k", "large_arrays and (torch or mxnet)"),
        ],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
        cwd=ROOT,
        check=False,
    )
    assert "would be the second framework in a process" in out.stdout
    assert "1 passed" in out.stdout
    assert "1 error" in out.stdout
