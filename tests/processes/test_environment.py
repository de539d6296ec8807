"""The environment of a worker: threads, huge pages, and the variables of an execution mode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from d2ldrop import Framework, compare_backends
from d2ldrop.core.machine import RECORDED_VARIABLES, THREAD_VARIABLES
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import load_data
from d2ldrop.processes.environment import MEMORY, check_execution, worker_environment
from d2ldrop.training.differences import first_difference
from d2ldrop.training.run import expected_identity
from tests.cli.test_cli import SMALL, d2ldrop
from tests.conftest import skip_without

AMD = "vendor_id : AuthenticAMD\nflags : fpu avx2 fma sse2\n"


@pytest.mark.parametrize(
    ("name", "cores", "threads"),
    [
        ("paddle", 1, "1"),
        ("paddle", 8, "8"),
        ("mxnet", 1, "1"),
        ("mxnet", 2, "1"),
        ("mxnet", 8, "7"),
    ],
)
def test_a_framework_that_would_not_use_all_cores_gets_a_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, name: str, cores: int, threads: str
) -> None:
    monkeypatch.setattr("d2ldrop.processes.environment.cores", lambda: cores)
    assert worker_environment(name, user={}) == {**MEMORY, "OMP_NUM_THREADS": threads}


@pytest.mark.parametrize("name", ["numpy", "torch", "tensorflow"])
def test_the_other_frameworks_choose_their_own_number_of_threads(name: str) -> None:
    assert worker_environment(name, user={}) == MEMORY


def test_jax_has_64_bits_in_its_workers() -> None:
    assert worker_environment("jax", user={}) == {**MEMORY, "JAX_ENABLE_X64": "1"}
    assert "JAX_ENABLE_X64" not in worker_environment("jax", user={"JAX_ENABLE_X64": "0"})


def test_variables_that_the_user_has_set_do_not_change() -> None:
    user = {"OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}
    assert worker_environment("paddle", user=user) == {}


def test_threads_applies_to_every_thread_pool() -> None:
    added = worker_environment("paddle", 3, user={"OMP_NUM_THREADS": "1"})
    assert added == {**MEMORY, **dict.fromkeys(THREAD_VARIABLES, "3")}


def test_only_paddle_has_fast_execution(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(AMD)
    check_execution("paddle", "fast", cpuinfo)
    assert worker_environment("paddle", execution="fast", user={})["MKL_DEBUG_CPU_TYPE"] == "5"
    assert "MKL_DEBUG_CPU_TYPE" not in worker_environment("numpy", execution="fast", user={})
    with pytest.raises(ValueError, match="PyTorch has no execution mode 'fast': PaddlePaddle has"):
        check_execution("torch", "fast", cpuinfo)
    with pytest.raises(ValueError, match="execution must be one of default, fast, got 'quick'"):
        check_execution("paddle", "quick", cpuinfo)


@pytest.mark.parametrize(
    ("word", "lacking"),
    [("AuthenticAMD", "an AMD processor"), ("avx2", "AVX2"), ("fma", "FMA")],
)
def test_fast_execution_needs_a_suitable_processor(tmp_path: Path, word: str, lacking: str) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(AMD.replace(word, "other"))
    needs = "needs an AMD processor, AVX2, FMA under Linux, and this machine lacks"
    with pytest.raises(ValueError, match=f"{needs} {lacking}: 'default'"):
        check_execution("paddle", "fast", cpuinfo)
    with pytest.raises(ValueError, match=f"{needs} an AMD processor, AVX2, FMA: "):
        check_execution("paddle", "fast", tmp_path / "missing")


def test_anothers_fast_execution_has_needs_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Framework("Own", fast_execution={"OWN": "1"})
    monkeypatch.setattr("d2ldrop.frameworks.frameworks", lambda: {"own": facts})
    check_execution("own", "fast", tmp_path / "missing")
    assert worker_environment("own", execution="fast", user={})["OWN"] == "1"


@pytest.mark.parametrize("command", ["train", "compare", "bench"])
def test_bad_threads_and_modes_are_refused_before_work_begins(tmp_path: Path, command: str) -> None:
    where = ["train", "numpy"] if command == "bench" else ["numpy"]
    for option, message in (
        (("--threads", "0"), "threads must be a positive integer, got 0"),
        (("--execution", "fast"), "NumPy has no execution mode 'fast'"),
    ):
        out = d2ldrop(command, *where, *option, "--out", str(tmp_path / "runs"), status=2)
        assert message in out[1]
    assert not (tmp_path / "runs").exists()


def test_a_result_records_the_environment(tmp_path: Path) -> None:
    d2ldrop("train", "numpy", *SMALL, "--threads", "1", "--out", str(tmp_path), "--name", "run")
    result = json.loads((tmp_path / "run" / "numpy" / "result.json").read_text())
    assert result["environment"] == {
        **{name: os.environ[name] for name in RECORDED_VARIABLES if name in os.environ},
        **dict.fromkeys(THREAD_VARIABLES, "1"),
        "GLIBC_TUNABLES": os.environ.get("GLIBC_TUNABLES", MEMORY["GLIBC_TUNABLES"]),
    }


def test_a_comparison_checks_and_uses_threads_and_execution(tmp_path: Path) -> None:
    data = load_data("stand-in", train_size=200, test_size=50)
    recipe = Recipe(num_epochs=1, num_hiddens=(16, 16))
    options = {"data": data, "out": tmp_path, "name": "run", "lockstep_steps": 1}
    with pytest.raises(ValueError, match="no execution mode"):
        compare_backends(["numpy"], recipe, execution="fast", **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threads"):
        compare_backends(["numpy"], recipe, threads=0, **options)  # type: ignore[arg-type]
    compare_backends(["numpy"], recipe, threads=1, **options)  # type: ignore[arg-type]
    result = json.loads((tmp_path / "run" / "numpy" / "result.json").read_text())
    assert result["environment"]["OPENBLAS_NUM_THREADS"] == "1"


def test_numpy_has_the_given_number_of_threads() -> None:
    code = (
        "import numpy, threadpoolctl as t; print([p['num_threads'] for p in t.threadpool_info()])"
    )
    for threads in (1, 2):
        out = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **worker_environment("numpy", threads)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert out.stdout.strip() == f"[{threads}]"


@skip_without("jax")
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it counts threads in /proc")
def test_jax_computes_in_the_given_number_of_threads() -> None:
    """Another number of threads also rounds sums differently."""
    code = (
        "import sys, numpy as np, jax; from pathlib import Path\n"
        "X = jax.numpy.asarray(np.random.default_rng(0).normal(size=(1500, 1500)))\n"
        "for _ in range(4): Y = (X @ X / 40).block_until_ready()\n"
        "stats = [file.read_text() for file in Path('/proc/self/task').glob('*/stat')]\n"
        "names = [text[text.index('(') + 1 : text.rindex(')')] for text in stats]\n"
        "print(sum('XLAEigen' in name for name in names))\n"
    )
    workers = []
    for threads in (1, 3):
        out = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **worker_environment("jax", threads)},
            capture_output=True,
            text=True,
            check=True,
        )
        workers.append(int(out.stdout))
    assert workers == [1, 3]


def test_a_resume_with_other_threads_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in THREAD_VARIABLES:  # an earlier test may have set them
        monkeypatch.delenv(variable, raising=False)
    train = ("train", "numpy", *SMALL, "--out", str(tmp_path), "--name", "run")
    d2ldrop(*train)
    result = tmp_path / "run" / "numpy" / "result.json"
    before = result.stat().st_mtime_ns
    _, error = d2ldrop(*train, "--resume", "--threads", "1", status=2)
    assert "run/numpy holds a run with OMP_NUM_THREADS unset, not 1: " in error
    assert "give the same options" in error
    d2ldrop(*train, "--resume")
    assert result.stat().st_mtime_ns == before


def test_fast_execution_does_not_continue_a_default_run() -> None:
    """The test needs only facts about paddle, not paddle itself."""
    default, fast = (
        expected_identity(
            "paddle", Recipe(), "scratch", (), "cpu", worker_environment("paddle", 2, mode, {})
        )
        for mode in ("default", "fast")
    )
    assert first_difference(default, default) is None
    assert first_difference(default, fast) == ("MKL_DEBUG_CPU_TYPE", None, "5")
