"""The wheel, the source distribution, the extras, and the Python versions that make accepts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import d2ldrop

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build the source distribution, and the wheel from it."""
    pytest.importorskip("build", reason="not installed: build")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


def tracked_files() -> set[str]:
    """Return the files that git tracks; skip the test if git cannot list them."""
    if not (ROOT / ".git").exists():
        pytest.skip("this folder is not a git checkout, so the tracked files are unknown")
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed, so the tracked files are unknown")
    out = subprocess.run(
        [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if out.returncode != 0:
        pytest.skip(f"git cannot list the tracked files: {out.stderr.strip()}")
    files = set(out.stdout.split("\0")) - {""}
    assert "pyproject.toml" in files
    return files


def test_the_source_distribution_has_every_tracked_file(
    distributions: tuple[Path, Path],
) -> None:
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        ".pre-commit-config.yaml",
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "README.zh-CN.md",
        "docs/README.md",
        "docs/tables.py",
        "notebooks/build.py",
        "requirements.lock",
    } <= names
    assert {name for name in tracked_files() if not name.startswith(".")} - names == set()


def test_the_wheel_has_every_module_and_no_other_top_level_name(
    distributions: tuple[Path, Path],
) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    backends = {path.stem for path in (ROOT / "backends").glob("*.py")}
    assert {"d2ldrop_tensorflow_compiled", "d2ldrop_tensorflow_layers"} <= backends
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "d2ldrop").rglob("*.py")}
    assert {"d2ldrop/bench/driver.py", "d2ldrop/conformance/test_l1_layer.py"} <= package
    page = {
        str(path.relative_to(ROOT))
        for folder in ("static", "templates")
        for path in (ROOT / "d2ldrop" / "page" / folder).rglob("*")
        if path.is_file()
    }
    assert {
        "d2ldrop/page/static/live/live.js",
        "d2ldrop/page/templates/report.html",
    } <= page
    expected = package | page | {"d2ldrop/py.typed"}
    for module in backends:
        expected |= {f"{module}/__init__.py", f"{module}/py.typed"}
    assert names == expected


def test_the_conformance_suite_runs_from_the_wheel(
    tmp_path: Path, distributions: tuple[Path, Path]
) -> None:
    """Its modules are tests that others install. xdist sends them to other processes."""
    pytest.importorskip("xdist", reason="not installed: pytest-xdist")
    with zipfile.ZipFile(distributions[1]) as wheel:
        wheel.extractall(tmp_path / "site")
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-m", "pytest", "--pyargs", "d2ldrop.conformance", "-n1", "-v"]
    out = subprocess.run(
        [*command, "--d2ldrop-backend", "numpy", "--d2ldrop-level", "L1", "-k", "given_mask"],
        cwd=tmp_path / "work", env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert out.returncode == 0, out.stdout
    assert "test_l1_layer.py::test_given_mask[0.1-float16]" in out.stdout
    assert "L0 masks" in out.stdout
    assert "L1 layer" in out.stdout
    assert f"numpy (d2ldrop {d2ldrop.__version__}, NumPy" in out.stdout


def test_the_wheels_description_has_no_link_into_the_repository(
    distributions: tuple[Path, Path],
) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        (name,) = (n for n in wheel.namelist() if n.endswith("dist-info/METADATA"))
        metadata = wheel.read(name).decode()
    assert f"\nVersion: {d2ldrop.__version__}\n" in metadata
    targets = re.findall(r"\]\(([^)]*)\)", metadata.replace("`", ""))
    assert [target for target in targets if not target.startswith(("http", "#"))] == []
    assert "# d2ldrop" in metadata


def test_type_checkers_use_the_types_of_the_installed_backends(
    tmp_path: Path, distributions: tuple[Path, Path]
) -> None:
    pytest.importorskip("mypy", reason="not installed: mypy")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout
    with zipfile.ZipFile(distributions[1]) as wheel:
        wheel.extractall(site.strip())
    modules = [path.stem for path in (ROOT / "backends").glob("*.py")]
    user = "".join(f"import {module}\n" for module in (*modules, "d2ldrop", "d2ldrop.bench.driver"))
    (tmp_path / "user.py").write_text(f"{user}reveal_type(d2ldrop_numpy.manual_seed)\n")
    out = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", str(python), "user.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "error" not in out.stdout, out.stdout
    assert 'Revealed type is "def (seed: int)' in out.stdout, out.stdout


def names(extra: str) -> set[str]:
    """Return the distributions that an extra installs, including those of extras that it names."""
    found: set[str] = set()
    for requirement in map(Requirement, EXTRAS[extra]):
        if requirement.name == "d2ldrop":
            found.update(*map(names, requirement.extras))
        else:
            found.add(requirement.name)
    return found


def test_the_extra_all_contains_every_other_extra() -> None:
    users = EXTRAS.keys() - {"all", "test", "dev"}
    assert {"torch", "mxnet", "dask", "lightning"} <= users
    assert names("all") == set().union(*map(names, users))


def test_the_extra_bench_installs_no_framework() -> None:
    assert EXTRAS["bench"] == ["threadpoolctl>=3"]


def test_the_version_is_defined_in_one_place() -> None:
    assert "version" not in PROJECT
    assert version("d2ldrop") == d2ldrop.__version__


@pytest.mark.parametrize("found", ["3.10", "3.14", None])
def test_make_says_which_pythons_are_supported(tmp_path: Path, found: str | None) -> None:
    """It does so with PYTHON=python3, and without it if python3 is the only Python on the PATH."""
    for file in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / file, tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("make", "sh", "uname", "cat", "echo"):
        (programs / program).symlink_to(str(shutil.which(program)))
    if found:
        # make runs it with -c to ask whether it is supported, then with --version.
        (programs / "python3").write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {found}.1"\n'
        )
        (programs / "python3").chmod(0o755)
    for arguments in ((), ("PYTHON=python3",)):
        out = subprocess.run(
            ["make", "setup", *arguments],
            cwd=tmp_path, env={"PATH": str(programs)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert out.returncode == 2
        assert "Python 3.11, 3.12 or 3.13 with venv is needed" in out.stdout
        assert f"python3 is {f'Python {found}.1' if found else 'no Python'}." in out.stdout
        assert not (tmp_path / ".venv").exists()


def test_make_takes_the_first_python_that_works(tmp_path: Path) -> None:
    """python3.13 is a launcher without an interpreter behind it, and python3.12 works."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for file in ("pyproject.toml", "requirements.lock"):
        (tmp_path / file).touch()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3.13").write_text("#!/bin/sh\nexit 127\n")
    (programs / "python3.12").write_text("#!/bin/sh\nexit 0\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    out = subprocess.run(
        ["make", "--dry-run", "setup"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "python3.12 -m venv" in out.stdout
