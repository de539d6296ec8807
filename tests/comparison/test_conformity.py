"""``--check`` judges each backend before its training, and a comparison says which conform."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from d2ldrop import Recipe, compare_backends
from d2ldrop.comparison import conformity
from d2ldrop.comparison.conformity import Conformity, NotConformingError, is_third_partys
from d2ldrop.conformance.report import Check, assemble, keep, state
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.version import __version__
from tests.comparison.test_runner import compare
from tests.fakes import install

MESSAGE = "layer forward [p=0.3]: off by 0.1, allowed 1e-15"


def report(passed: bool) -> dict[str, Any]:
    """A report of the suite with one check that passed, and one that did not."""
    check = {"id": "L1.x", "level": "L1", "place": "", "outcome": "passed", "message": ""}
    checks = [check, {**check, "outcome": "failed", "message": MESSAGE}][: 1 if passed else 2]
    return {"passed": passed, "levels": [{"level": "L1", "checks": checks}]}


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The backends that are judged, and up to which level; torch fails."""
    calls: list[tuple[str, str]] = []

    def run_suite(name: str, *_: object, level: str, **__: object) -> dict[str, Any]:
        calls.append((name, level))
        return report(name != "torch")

    monkeypatch.setattr(conformity, "run_suite", run_suite)
    monkeypatch.setattr(conformity, "state", lambda name: f"state of {name}")
    return calls


def require(one: Conformity, backend: str) -> None:
    one.require(backend, WorkerOptions(), Path("log"), lambda _: None)


def test_each_backend_is_judged_once(judged: list[tuple[str, str]]) -> None:
    one = Conformity(check=True)
    for _ in range(2):  # from scratch, concise
        require(one, "numpy")
        with pytest.raises(NotConformingError) as caught:
            require(one, "torch")
        assert str(caught.value) == (
            f"not trained, because its backend failed the conformance suite: {MESSAGE}"
        )
    assert judged == [("numpy", "L2"), ("torch", "L2")]
    assert one.states(["numpy", "numpy", "paddle", "own"]) == {
        "numpy": "state of numpy",
        "own": "state of own",
    }


def test_without_check_no_backend_is_judged(judged: list[tuple[str, str]]) -> None:
    one = Conformity(check=False)
    require(one, "torch")
    assert judged == []
    assert one.states(["numpy", "torch", "own"]) == {"own": "state of own"}


def test_only_backends_of_other_distributions_are_a_third_partys() -> None:
    own = ("numpy", "torch", "tensorflow", "mxnet", "paddle")
    assert [name for name in (*own, "honest") if is_third_partys(name)] == ["honest"]


def test_the_check_needs_packages_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "d2ldrop\[conformance\]"'):
        compare_backends(["numpy"], Recipe(), data="stand-in", out=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_pass_at_a_lower_level_does_not_replace_one_at_a_higher_level() -> None:
    check = Check("L1.given_mask", "L1", "layer forward", "passed")
    for level, found in [("L1", "L1"), ("L4", ""), ("L2", "")]:
        keep(assemble("numpy", [check], level))
        reach = f" up to {found}" if found else ""
        assert state("numpy") == f"passed{reach} at version {__version__}"
    failed = Check("L1.given_mask", "L1", "layer forward", "failed", MESSAGE)
    keep(assemble("numpy", [failed], "L2"))
    assert state("numpy") == f"failed at version {__version__}"
    keep(assemble("numpy", [check], "L2"))
    assert state("numpy") == f"passed up to L2 at version {__version__}"


@pytest.mark.slow
def test_a_backend_that_fails_is_not_trained_and_the_others_are(tmp_path: Path) -> None:
    env = install(tmp_path / "fakes", "drifting")
    summary, _ = compare(tmp_path, "drifting", "numpy", "--check", env=env, status=1)
    states = {name: row["status"] for name, row in summary["backends"].items()}
    assert states == {"drifting": "failed", "numpy": "ok"}
    error = summary["backends"]["drifting"]["error"]
    assert error.startswith(
        "not trained, because its backend failed the conformance suite: gradients, "
    )
    runs = tmp_path / "runs" / "n"
    trained = [name for name in states if (runs / name / "weights.safetensors").exists()]
    assert trained == ["numpy"]
    assert summary["conformance"] == {
        "drifting": "failed at version 1.0",
        "numpy": f"passed up to L2 at version {summary['d2ldrop_version']}",
    }
