"""What is known of a framework before it is imported."""

from __future__ import annotations

import pytest

from d2ldrop import frameworks
from d2ldrop.frameworks import how_to_install, title


def on(monkeypatch: pytest.MonkeyPatch, system: str, machine: str, numpy: str) -> None:
    """Pretend to be on another machine, with another NumPy."""
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(frameworks, "version", lambda _: numpy)


def test_an_extra_installs_a_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "Linux", "x86_64", "2.4.6")
    assert how_to_install("torch", "d2ldrop") == 'pip install "d2ldrop[torch]"'
    assert how_to_install("other", "somebodys-distribution") == "pip install other"


def test_mxnet_is_put_beside_numpy_2_without_its_dependencies(
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
def test_a_machine_without_a_wheel_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, system: str, machine: str
) -> None:
    on(monkeypatch, system, machine, "2.4.6")
    expected = f"it has no package for this machine ({system} {machine})"
    assert how_to_install(name, "d2ldrop") == expected


def test_a_framework_that_is_not_known_has_its_own_name() -> None:
    assert title("honest") == "honest"
    assert title("torch-concise") == "PyTorch concise"
