"""What importing does, and does not do, to a process; each case in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import skip_without

ROOT = Path(__file__).parent.parent


def python(code: str, *options: str) -> str:
    """What the code prints, in a new process."""
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
        "pooch",
    }
    assert not heavy & set(loaded)


def test_using_the_core_loads_no_framework() -> None:
    code = (
        "import sys, numpy as np, d2ldrop, d2ldrop.cli, d2ldrop.compare, d2ldrop.report\n"
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
def test_mxnets_import_leaves_numpy_and_the_warning_filters_alone() -> None:
    code = (
        "import warnings, numpy as np, numpy.testing, numpy.typing, numpy._core, d2ldrop\n"
        "names, state, filters = set(vars(np)), np.geterr(), list(warnings.filters)\n"
        "d2ldrop.get_backend('mxnet')\n"
        "import mxnet\n"
        "print('bool' in vars(np), sorted(set(vars(np)) - names), np.geterr() == state,\n"
        "      warnings.filters == filters, mxnet.util.is_np_array(), mxnet.util.is_np_shape())"
    )
    assert python(code, "-W", "error").splitlines()[-1] == "False [] True True False False"


@skip_without("mxnet")
def test_using_mxnet_leaves_its_numpy_scope_as_it_was() -> None:
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
def test_mxnet_leaves_torchs_threads_alone(order: tuple[str, str]) -> None:
    alone = python("import torch; print(torch.get_num_threads())")
    code = "import d2ldrop\n" + "".join(f"d2ldrop.get_backend({name!r})\n" for name in order)
    assert python(code + "import torch; print(torch.get_num_threads())") == alone


def test_a_missing_framework_is_an_error_with_the_pip_line() -> None:
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


def test_a_broken_framework_shows_its_own_error(tmp_path: Path) -> None:
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


def test_an_unknown_backend_is_an_error_that_suggests() -> None:
    from d2ldrop import get_backend

    with pytest.raises(
        ValueError, match=r"unknown backend 'tourch': expected one of numpy, .*torch'"
    ):
        get_backend("tourch")


@skip_without("torch", "mxnet")
@pytest.mark.slow
def test_a_test_process_refuses_a_second_framework() -> None:
    """The guard of conftest.py: in one process, the second framework's tests must fail."""
    out = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider"),
            str(ROOT / "tests" / "test_layer.py"),
            *("-k", "returns_itself and (torch or mxnet)"),
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
