"""Facts about a framework that are known before its import."""

from __future__ import annotations

import pytest

from d2ldrop import frameworks
from d2ldrop.frameworks import how_to_install, title


def on(monkeypatch: pytest.MonkeyPatch, system: str, machine: str, numpy: str) -> None:
    """Pretend to be on another machine, with another NumPy."""
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(frameworks, "version", lambda _: numpy)


def test_the_hint_for_a_framework_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "Linux", "x86_64", "2.4.6")
    assert how_to_install("torch", "d2ldrop") == 'pip install "d2ldrop[torch]"'
    assert how_to_install("other", "somebodys-distribution") == "pip install other"


def test_the_hint_for_mxnet_omits_its_dependencies_with_numpy_2(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on(monkeypatch, "Linux", "x86_64", "2.4.6")
    assert how_to_install("mxnet", "d2ldrop") == "pip install --no-deps mxnet==1.9.1"
    on(monkeypatch, "Linux", "x86_64", "1.26.4")
    assert how_to_install("mxnet", "d2ldrop") == 'pip install "d2ldrop[mxnet]"'


@pytest.mark.parametrize(
    ("name", "system", "machine"),
    [
        ("mxnet", "Darwin", "arm64"),
        ("paddle", "Linux", "aarch64"),
        ("torch", "Darwin", "x86_64"),
        ("tensorflow", "Windows", "AMD64"),
    ],
)
def test_the_hint_names_a_machine_without_a_wheel(
    monkeypatch: pytest.MonkeyPatch, name: str, system: str, machine: str
) -> None:
    on(monkeypatch, system, machine, "2.4.6")
    expected = f"it has no package for this machine ({system} {machine})"
    assert how_to_install(name, "d2ldrop") == expected


def test_the_title_of_an_unknown_framework_is_its_name() -> None:
    assert title("honest") == "honest"
    assert title("torch-concise") == "PyTorch concise"
