"""Frameworks of other packages: with and without a module for benchmarks, or a faulty one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import install

SMALL = ("--dataset", "stand-in", "--train-size", "600", "--test-size", "100", "--rounds", "1")
MODULES = {
    "slow": "from d2ldrop.bench.on_numpy import *\n",
    "drifting": "from d2ldrop.bench.on_numpy import own_dropout\n",
    "raising": "import no_such_library\n",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three backends with modules for benchmarks, and "honest" without one."""
    folder = tmp_path_factory.mktemp("installed")
    environment = install(folder, "honest", *MODULES)
    info = folder / "benchmarks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: benchmarks\nVersion: 1.0\n")
    lines = [f"{name} = bench_{name}" for name in MODULES]
    (info / "entry_points.txt").write_text("\n".join(["[d2ldrop.bench]", *lines, ""]))
    for name, body in MODULES.items():
        (folder / f"bench_{name}.py").write_text(body)
    return environment


def bench(
    environment: dict[str, str], out: Path, kind: str, *names: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the command; return it and the entries of the backends in its summary."""
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "d2ldrop",
            "bench",
            kind,
            *names,
            *SMALL,
            f"--out={out}",
            "--name=b",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert "Traceback" not in ended.stdout + ended.stderr
    assert (out / "b" / "bench.png").stat().st_size > 10_000
    return ended, json.loads((out / "b" / "bench.json").read_text())["backends"]


def test_training_without_a_module_times_the_trainer_alone(
    environment: dict[str, str], tmp_path: Path
) -> None:
    names = ("honest", "slow", "drifting", "raising")
    ended, rows = bench(environment, tmp_path, "train", *names)
    shown = " ".join(ended.stdout.split())
    assert set(rows["honest"]["timings"]) == {"d2ldrop"}
    assert "honest: no products and no usual trainer are known. A module in" in shown
    assert "products: np.dot" in rows["slow"]["timings"]
    assert "slow: no products" not in shown
    # A faulty module costs only its own framework.
    assert ended.returncode == 1
    assert (
        "bench_drifting, which the group d2ldrop.bench has for drifting, lacks product_paths, "
        in (rows["drifting"]["error"])
    )
    assert "No module named 'no_such_library'" in rows["raising"]["error"]


@pytest.mark.slow
def test_the_layer_without_a_module_is_timed_forward(
    environment: dict[str, str], tmp_path: Path
) -> None:
    ended, rows = bench(environment, tmp_path, "layer", "honest", "slow")
    assert ended.returncode == 0, ended.stderr
    assert [case["backward"] for case in rows["honest"]["cases"]] == [False] * 4
    assert all(set(case["timings"]) == {"d2ldrop"} for case in rows["honest"]["cases"])
    assert len(rows["slow"]["cases"]) == 8
    assert "honest: its own dropout and its gradients are not known" in ended.stdout


def test_the_start_of_a_third_party_s_framework_is_timed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    ended, rows = bench(environment, tmp_path, "startup", "honest")
    assert ended.returncode == 0, ended.stderr
    assert set(rows["honest"]["timings"]) > {"import honest", "get_backend"}


@pytest.mark.slow
def test_the_growth_of_a_third_party_s_framework_is_measured(
    environment: dict[str, str], tmp_path: Path
) -> None:
    ended, rows = bench(environment, tmp_path, "growth", "honest")
    assert ended.returncode == 0, ended.stderr
    cases = rows["honest"]["cases"]
    sizes = {case["value"] for case in cases if case["what"] == "batch_size"}
    assert sizes == {16, 64, 256}
    assert {case["value"] for case in cases} == sizes | {1024, 4096}
    assert {case["dtype"] for case in cases} == {"float32", "float64"}
