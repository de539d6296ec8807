"""Entry points of other packages: a malformed one hides no other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from d2ldrop import backend_names
from tests.fakes import install

FACTS = """
import d2ldrop, json, sys
from d2ldrop.backend import check_name
from d2ldrop.frameworks import aliases, framework, frameworks, how_to_convert, how_to_install

facts = framework("honest")
print(json.dumps({
    "honest": [facts.title, facts.package, facts.dtypes],
    "title": d2ldrop.title("honest-concise"),
    "install": how_to_install("honest", "somebodys-package"),
    "alias": [aliases().get(alias) for alias in ("hon", "tf", "torch")],
    "convert": how_to_convert(type("Lump", (), {})()),
    "torch": d2ldrop.title("torch"),
    "loaded": "honest" in sys.modules,
}))
"""


def register_facts(folder: Path, body: str, name: str = "honest") -> None:
    """Install a package with facts about the framework ``name``."""
    info = folder / "someones-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: someones\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[d2ldrop.frameworks]\n{name} = someones_facts\n")
    (folder / "someones_facts.py").write_text(body)


def python(code: str, env: dict[str, str]) -> tuple[str, str]:
    """What Python prints and its warnings, each in one line."""
    out = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    return out.stdout, out.stderr


CODE = (
    "import d2ldrop, json\n"
    "print(json.dumps([d2ldrop.backend_names(), d2ldrop.available_backends()]))"
)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b".. = d2ldrop_numpy", "'..' with the value 'd2ldrop_numpy'"),
        (b"a/b = d2ldrop_numpy", "'a/b' with the value 'd2ldrop_numpy'"),
        (b"../evil = d2ldrop_numpy", "'../evil' with the value"),
        (b"json = ..", "'json' with the value '..'"),
        (b"json =", "'json' with the value ''"),
        (b"json = .d2ldrop_numpy", "'json' with the value '.d2ldrop_numpy'"),
        (b"json = d2ldrop_numpy:train_step", "'json' with the value 'd2ldrop_numpy:train_step'"),
        (b"= d2ldrop_numpy", "'' with the value 'd2ldrop_numpy'"),
        (b"json", "its entry_points.txt cannot be read"),
        (b"\xff\xfe", "its entry_points.txt cannot be read"),
    ],
)
def test_a_malformed_entry_point_is_left_out_by_name(
    tmp_path: Path, line: bytes, message: str
) -> None:
    env = install(tmp_path, "honest")
    bad = tmp_path / "bad-1.0.dist-info"
    bad.mkdir()
    (bad / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (bad / "entry_points.txt").write_bytes(b"[d2ldrop.backends]\n" + line + b"\n")
    out = subprocess.run(
        [sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True
    )
    names, available = json.loads(out.stdout)
    assert names == [*backend_names(), "honest"]
    assert "honest" in available
    assert "the package 'bad' has a malformed entry point, which is ignored: " in out.stderr
    assert message in out.stderr


def test_the_facts_of_another_package_are_used_and_nothing_is_imported(tmp_path: Path) -> None:
    env = install(tmp_path, "honest")
    body = """
from d2ldrop import Framework

FRAMEWORK = Framework(
    title="Honest", package="honest-py", aliases=("Hon", "tf", "torch"), dtypes=("float64",),
    conversions={"Lump": "X.melt() makes an array"},
)
"""
    register_facts(tmp_path, body)
    printed, warned = python(FACTS, env)
    assert warned == ""
    assert json.loads(printed) == {
        "honest": ["Honest", "honest-py", ["float64"]],
        "title": "Honest concise",
        "install": "pip install honest-py",
        "alias": ["honest", "tensorflow", None],  # those of d2ldrop's own frameworks stay
        "convert": "X.melt() makes an array",
        "torch": "PyTorch",
        "loaded": False,
    }


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("1 / 0", "its import raised ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(1)", "its import raised SystemExit: 1"),
        ("import no_such_module", "its import raised ModuleNotFoundError: No module named 'no_"),
        ("FRAMEWORKS = 1", "its FRAMEWORK is None"),
        ("FRAMEWORK = {'title': 'Honest'}", "its FRAMEWORK is {'title': 'Honest'}"),
        (
            "from d2ldrop import Framework\nFRAMEWORK = Framework(aliases='h')",
            "its import raised TypeError: aliases must be a tuple of str, got 'h'",
        ),
    ],
    ids=["raises", "exits", "imports what is missing", "no constant", "a dict", "a str as tuple"],
)
def test_faulty_facts_give_one_warning_and_defaults_apply(
    tmp_path: Path, body: str, what: str
) -> None:
    env = install(tmp_path, "honest")
    register_facts(tmp_path, body)
    printed, warned = python(FACTS, env)
    assert json.loads(printed)["honest"] == ["", "", ["float32", "float64"]]
    assert json.loads(printed)["torch"] == "PyTorch"
    assert warned.count("Warning") == 1
    assert (
        "the facts about honest in the module someones_facts of the package 'someones' are "
        "ignored: expected a module with a constant FRAMEWORK of the type d2ldrop.Framework; "
        f"{what}"
    ) in warned


def test_facts_that_import_the_framework_are_used_with_a_warning(tmp_path: Path) -> None:
    env = install(tmp_path, "honest")
    body = "import honest\nfrom d2ldrop import Framework\nFRAMEWORK = Framework('Honest')"
    register_facts(tmp_path, body)
    printed, warned = python(FACTS, env)
    assert json.loads(printed)["title"] == "Honest concise"
    assert warned.count("Warning") == 1
    assert "of the package 'someones' import honest itself" in warned


def test_facts_about_a_framework_of_d2ldrop_are_ignored(tmp_path: Path) -> None:
    env = install(tmp_path, "honest")
    body = "from d2ldrop import Framework\nFRAMEWORK = Framework('Other')"
    register_facts(tmp_path, body, "torch")
    printed, warned = python(FACTS, env)
    assert json.loads(printed)["torch"] == "PyTorch"
    assert warned.count("Warning") == 1
    assert "are ignored: d2ldrop has facts of its own about it" in warned


def test_the_suite_expects_the_failures_that_the_facts_name(tmp_path: Path) -> None:
    """The check passes here, and an expected failure is strict."""
    env = install(tmp_path, "honest")
    body = """
from d2ldrop import Framework

FRAMEWORK = Framework(expected_failures={"L0.devices": "it has no devices"})
"""
    register_facts(tmp_path, body)
    command = [sys.executable, "-m", "d2ldrop", "conformance", "honest", "--level", "L0"]
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert out.returncode == 1
    assert "passed, but the expected failures name it ('L0.devices')" in out.stdout
