"""``d2ldrop conformance`` and ``pytest --pyargs d2ldrop.conformance``: good and bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from d2ldrop.conformance.report import last_result, state
from d2ldrop.version import __version__
from tests.fakes import BODIES

PACKAGE = "d2ldrop.conformance"
FAKES = {
    "right": "",
    "crashing": BODIES["crashing"],
    "leaving": "def dropout_layer(*args, **kwargs):\n    import os\n    os._exit(0)\n",
    "stuck": "def init_params(*args, **kwargs):\n    import time\n    time.sleep(600)\n",
    "raising": """
def dropout_layer(X, dropout, *, mask=None):
    if X.dtype == "float64":
        raise RuntimeError("float64 is not my kind")
    return d2ldrop_numpy.dropout_layer(X, dropout, mask=mask)
""",
    "lacking": "del train_step, predict, concise_step\n",
    "differing": """
def dropout_layer(X, p, mask=None):
    return d2ldrop_numpy.dropout_layer(X, p, mask=mask)
def predict(params, X, device):
    return d2ldrop_numpy.predict(params, X)
""",
    "foreign": """
def dropout_layer(X, dropout, *, mask=None):
    return d2ldrop_numpy.dropout_layer(X, dropout, mask=mask).tolist()
""",
    "narrow": """
def dropout_layer(X, dropout, *, mask=None):
    return d2ldrop_numpy.dropout_layer(X, dropout, mask=mask).astype("float32")
""",
    "flat": """
def dropout_layer(X, dropout, *, mask=None):
    Y = d2ldrop_numpy.dropout_layer(X, dropout, mask=mask)
    return Y.ravel() if Y.shape == (40, 30) else Y
""",
    "broken": "import no_such_module\n",
    "exiting": "def devices():\n    raise SystemExit(3)\n",
    "misdeclared": "",
    "skipping": "def devices():\n    import unittest\n    raise unittest.SkipTest('no GPU')\n",
    "quitting": "def devices():\n    import pytest\n    pytest.exit('no GPU')\n",
    "interrupting": "def devices():\n    raise KeyboardInterrupt('no GPU')\n",
    "garbled": "def devices():\n    raise OSError('\\udcff')\n",
    "paramless": "def init_params(arrays, device='cpu'):\n    pass\n",
    "clipless": "def clip_norms(params, max_norm):\n    pass\n",
    "netless": "def concise_mlp(arrays, dropout, lr, noise='dropout', device='cpu'):\n    pass\n",
    "stepless": "def concise_step(net, trainer, X, y):\n    pass\n",
    "weightless": "def concise_params(net):\n    pass\n",
}
"""Copies of NumPy's backend under other names, and what is put at their end."""


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the fake backends are installed."""
    folder = tmp_path_factory.mktemp("fakes")
    info = folder / "fakes-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fakes\nVersion: 1.2\n")
    lines = ["[d2ldrop.backends]", *(f"{name} = fake_{name}" for name in FAKES)]
    lines += ["[d2ldrop.frameworks]", "misdeclared = misdeclared_facts", ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (folder / "misdeclared_facts.py").write_text('FRAMEWORK = {"title": "Misdeclared"}\n')
    for name, body in FAKES.items():
        (folder / f"{name}.py").write_text('__version__ = "1.0"\n')
        (folder / f"fake_{name}.py").write_text(
            f"import {name}\nimport d2ldrop_numpy\nfrom d2ldrop_numpy import *\n{body}"
        )
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path)}


SENTENCES = {
    "raising": (
        "L1",
        "layer forward: dropout_layer raised RuntimeError: float64 is not my kind "
        "(fake_raising.py:7)",
        "raising (fakes 1.2, d2ldrop",
        "failed at L1: layer forward",
    ),
    "lacking": (
        "L0",
        "FAILED L0.functions: contract, functions: missing: train_step(params, X, y, lr, noise, "
        "weight_decay=0); predict(params, X); concise_step(net, trainer, X, y); the concise",
        "not run: L0 failed",
    ),
    "differing": (
        "L0",
        "FAILED L0.signatures: contract, signatures: dropout_layer: expected (X, dropout, *, "
        "mask=None), got (X, p, mask=None); predict: expected (params, X), got (params, X, device)",
    ),
    "foreign": ("L0", "expected an array for which is_array is true, got list"),
    "narrow": ("L1", "[p=0.1, float64]: expected the dtype float64, got float32"),
    "flat": ("L1", "expected the shape (40, 30), got (1200,)"),
    "broken": (
        "L0",
        "contract, import: ModuleNotFoundError: No module named 'no_such_module'",
        "not run: L0 failed",
    ),
    "exiting": ("L0", "contract: devices raised SystemExit: 3 (fake_exiting.py:5)"),
    "misdeclared": (
        "L0",
        "contract, facts: misdeclared_facts must have a constant FRAMEWORK of the type "
        "d2ldrop.Framework, got {'title': 'Misdeclared'}",
    ),
    "skipping": ("L0", "FAILED L0.devices: contract: devices raised SkipTest: no GPU (fake_ski"),
    "quitting": ("L0", "FAILED L0.devices: contract: devices raised Exit: no GPU (fake_quitt"),
    "interrupting": ("L0", "L0.devices: contract: devices raised KeyboardInterrupt: no GPU (fake"),
    "garbled": ("L0", "FAILED L0.devices: contract: devices raised OSError: \\udcff (fake_garb"),
    "paramless": (
        "L0",
        "contract, init_params: expected a list of the 6 parameters, got NoneType",
    ),
    "clipless": ("L2", "clip_norms: expected a list of the 6 parameters, got NoneType"),
    "netless": (
        "L3",
        "concise, concise_mlp: expected a tuple (net, trainer), got NoneType",
        "failed at L3: concise",
    ),
    "stepless": ("L3", "expected a tuple (loss, logits), got NoneType"),
    "weightless": ("L3", "the start: expected a list of the 6 parameters, got NoneType"),
}
"""For each bad backend: the highest level to run, and what the report says."""
EXPECTED = {
    "the failures of one level": (
        '"L1.*[*float64*]" = "float64 is not its kind"\n',
        "expected failure of L1.given_mask[0.1-float64]: float64 is not its kind (layer forward: ",
    ),
    "a check that passes": (
        '"L0.devices" = "no CPU"\n',
        "FAILED L0.devices: contract: passed, but the expected failures name it ('L0.devices'): "
        "remove or narrow this line",
    ),
}
REFUSED = {
    "a check that does not exist": (
        '"L0.device" = "a reason"\n',
        "names 'L0.device', which is no check of this suite; did you mean 'L0.devices'?",
    ),
    "no reason": ('"L0.devices" = " "\n', "must give a reason for 'L0.devices', got ' '"),
    "no quotation marks": ('L0.devices = "no CPU"\n', "got the table 'L0': put the name of the"),
    "no TOML": ("L0.devices: no CPU\n", "are not TOML"),
}
MANY = """
import json, sys
from pathlib import Path
from d2ldrop.conformance.job import ConformanceJob, Run
from d2ldrop.conformance.report import assemble, lines

found = {}
for case, (name, level, expected) in json.loads(sys.argv[1]).items():
    run = Run(lambda event: None)
    emit = lambda event, **values: run.hear({"event": event, **values})
    ConformanceJob(name, level, expected and Path(expected)).run(emit)
    found[case] = lines(assemble(name, list(run.checks.values()), level))
Path(sys.argv[2]).write_text(json.dumps(found))
"""
"""Judges many backends in one process, and writes what the reports say."""


@pytest.fixture(scope="module")
def reports(fakes: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the reports about the bad backends say, by the name of the case."""
    folder = tmp_path_factory.mktemp("reports")
    cases: dict[str, Any] = {name: (name, level, None) for name, (level, *_) in SENTENCES.items()}
    for case, (text, _) in EXPECTED.items():
        file = folder / f"{case}.toml"
        file.write_text(text)
        cases[case] = ("raising" if "failures" in case else "right", "L1", str(file))
    cases["a check that passes"] = ("right", "L0", cases["a check that passes"][2])
    out = folder / "reports.json"
    done = subprocess.run(
        [sys.executable, "-c", MANY, json.dumps(cases), str(out)],
        env={**os.environ, **fakes}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout
    found: dict[str, list[str]] = json.loads(out.read_text())
    return {case: "\n".join(lines) for case, lines in found.items()}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_bad_backend_fails_a_check_that_says_so(reports: dict[str, str], name: str) -> None:
    for sentence in SENTENCES[name][1:]:
        assert sentence in reports[name]


@pytest.mark.parametrize("case", EXPECTED)
def test_expected_failures_are_strict(reports: dict[str, str], case: str) -> None:
    assert EXPECTED[case][1] in reports[case]


def run(*command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Any:
    """Run a module of Python; the user's cache is that of the test."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip


def judge(
    name: str, *options: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> Any:
    """Run the command."""
    return run("d2ldrop", "conformance", name, "--quiet", *options, env=env, cwd=cwd)


def test_the_checks_run_singly_in_pytest(fakes: dict[str, str], tmp_path: Path) -> None:
    """The user's filters of warnings are no failures of the backend."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    suite = ("pytest", "--pyargs", PACKAGE, "-p", "no:cacheprovider", "-p", "no:xdist")
    name, report = ("--d2ldrop-backend", "raising"), tmp_path / "report.json"
    out = run(
        *suite, *name, "--d2ldrop-json", str(report), "-k", "L1 and given_mask and 0.1",
        env=fakes, cwd=tmp_path,
    )  # fmt: skip
    assert out.returncode == 1
    assert "2 passed" not in out.stdout
    assert "float64 is not my kind (fake_raising.py:7)" in out.stdout
    assert "raising (fakes 1.2, d2ldrop" in out.stdout
    assert "Traceback" not in out.stdout
    (level,) = json.loads(report.read_text())["levels"]
    assert {check["id"]: check["outcome"] for check in level["checks"]} == {
        "L1.given_mask[0.1-float16]": "skipped",
        "L1.given_mask[0.1-bfloat16]": "skipped",
        "L1.given_mask[0.1-float32]": "passed",
        "L1.given_mask[0.1-float64]": "failed",
    }


@pytest.mark.parametrize("asked", [["--pyargs", PACKAGE], ["--pyargs", f"{PACKAGE}.test_l1_layer"]])
def test_the_suite_needs_a_backend(asked: list[str], tmp_path: Path) -> None:
    out = run("pytest", *asked, "-p", "no:xdist", cwd=tmp_path)
    assert out.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {PACKAGE} needs the name of a backend: pytest --pyargs" in out.stderr


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--d2ldrop-json=.", "--d2ldrop-json must be a file, but . is a folder"),
        ("--d2ldrop-expected-failures=no.toml", "the expected failures in no.toml cannot be read"),
    ],
)
def test_files_that_pytest_cannot_use_are_refused(
    option: str, message: str, tmp_path: Path
) -> None:
    suite = ("pytest", "--pyargs", PACKAGE, "-p", "no:xdist", "--d2ldrop-backend", "numpy")
    out = run(*suite, option, cwd=tmp_path)
    assert out.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {message}" in out.stderr


def test_without_a_backend_nothing_of_the_suite_is_collected(tmp_path: Path) -> None:
    options = ("--pyargs", "d2ldrop", "--collect-only", "-q", "-p", "no:xdist")
    out = run("pytest", *options, cwd=tmp_path)
    assert out.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, out.stdout


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        (
            "crashing",
            [
                "FAILED L0.init_params: contract: the process of this check failed: killed by "
                "SIGSEGV",
                "not run: L0.init_params ended the process",
            ],
        ),
        (
            "leaving",
            [
                "FAILED L0.given_masks[0.1]: layer forward: the process of this check failed: "
                "exit status 0, but its work is not done"
            ],
        ),
        (
            "stuck",
            [
                "FAILED L0.init_params: contract: the process of this check failed: hung: no "
                "report for 15 s (timeout, --timeout)"
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_backend_that_ends_its_process(
    fakes: dict[str, str], name: str, sentences: list[str]
) -> None:
    out = judge(name, "--level", "L0", "--timeout", "15", env=fakes)
    assert out.returncode == 1
    for sentence in sentences:
        assert sentence in out.stdout
    assert "Traceback" not in out.stdout + out.stderr


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_expected_failures_are_refused(tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    (tmp_path / "expected.toml").write_text(text)
    out = judge("numpy", "--level", "L0", "--expected-failures", str(tmp_path / "expected.toml"))
    assert (out.returncode, out.stdout) == (2, "")
    assert message in out.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["numpi"], "unknown backend 'numpi': expected one of numpy"),
        (["numpy", "--level", "L5"], "'L5' is not one of"),
        (["numpy", "--timeout", "0"], "--timeout must be a positive number of seconds, got 0"),
        (["numpy", "--expected-failures", "no.toml"], "'no.toml' does not exist"),
        (["numpy", "--json", "."], "--json must be a file, but . is a folder"),
        (["numpy", "--json", "/dev/null"], "--json must be a file, but /dev/null is a device"),
        (["numpy", "--json", "/dev/null/x"], "--json must be a file in a folder that can be writ"),
    ],
    ids=["backend", "level", "timeout", "expected", "json", "json-device", "json-folder"],
)
def test_bad_arguments_are_refused(arguments: list[str], message: str) -> None:
    from click.testing import CliRunner

    from d2ldrop.cli.main import cli

    result = CliRunner().invoke(cli, ["conformance", *arguments])
    assert result.exit_code == 2
    assert message in result.output


def test_a_result_is_written_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (last_result("numpy"), state("numpy")) == (None, "not run")
    file = tmp_path / "folder" / "numpy.json"
    # The user's own tests and settings of pytest do not matter.
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise SystemExit(5)\n")
    own = {"PYTEST_ADDOPTS": "--no-such-option", "PYTEST_PLUGINS": "no_such_plugin"}
    out = judge("numpy", "--level", "L0", "--json", str(file), env=own, cwd=tmp_path)
    assert out.returncode == 0, out.stdout
    report = json.loads(file.read_text())
    assert (report["backend"], report["passed"], report["level"]) == ("numpy", True, "L0")
    assert report["d2ldrop_version"] == report["distribution_version"] == __version__
    assert report["declared"]["dtypes"] == ["float16", "bfloat16", "float32", "float64"]
    (level,) = report["levels"]
    assert {check["outcome"] for check in level["checks"]} == {"passed", "skipped"}
    assert {"id", "level", "place", "outcome", "message", "seconds"} == level["checks"][0].keys()
    kept = last_result("numpy")
    assert kept is not None
    assert kept["levels"] == report["levels"]
    assert state("numpy") == f"passed up to L0 at version {__version__}"
    monkeypatch.setattr("d2ldrop.conformance.report.__version__", "0.0")
    assert state("numpy") == "not run"  # another version of d2ldrop


COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # this process may have inherited "ignore"
from d2ldrop.cli.main import main
main()
"""


def test_ctrl_c_ends_the_command(fakes: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "conformance", "stuck", "--level", "L0"],
        env={**os.environ, **fakes}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    while "conformance" not in process.stderr.readline():  # the first check is done
        pass
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert error.endswith("Interrupted.\n")
