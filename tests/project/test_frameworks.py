"""Facts about a framework that are known before its import."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from d2ldrop import (
    Framework,
    available_backends,
    dropout_layer,
    frameworks,
    get_backend,
    loaded,
)
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


def test_the_hint_for_anothers_framework_uses_its_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "Linux", "x86_64", "2.4.6")
    facts = Framework(package="other-py", install_beside_numpy_2="pip install --no-deps other-py")
    monkeypatch.setattr(frameworks, "frameworks", lambda: {"other": facts})
    assert how_to_install("other", "somebodys-distribution") == "pip install --no-deps other-py"
    on(monkeypatch, "Linux", "x86_64", "1.26.4")
    assert how_to_install("other", "somebodys-distribution") == "pip install other-py"


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ({"title": None}, "title must be a str, got None"),
        ({"concise": "yes"}, "concise must be a bool, got 'yes'"),
        ({"cores_left_free": True}, "cores_left_free must be an int or None, got True"),
        ({"dtypes": ["float32"]}, r"dtypes must be a tuple of str, got \['float32'\]"),
        ({"machines": (1,)}, r"machines must be a tuple of str, got \(1,\)"),
        ({"environment": {"THREADS": 1}}, "environment must be a mapping from str to str, got"),
        ({"concise_limits": {"unit": 0.5}}, "concise_limits must be a mapping from the name of a "),
        ({"concise_limits": {"unit": ("why", 0.5)}}, r"noise to a tuple \(float, str\), got"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_facts_of_another_type_are_refused(fact: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Framework(**fact)


def test_the_title_of_an_unknown_framework_is_its_name() -> None:
    assert title("honest") == "honest"
    assert title("torch-concise") == "PyTorch concise"


def test_a_backend_may_need_more_than_its_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow loads JAX where it is installed. Without Flax, JAX does not count as loaded."""
    jax = ModuleType("jax")
    jax.__spec__ = ModuleSpec("jax", None)
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setitem(sys.modules, "flax", None)
    assert "jax" not in available_backends()
    assert "jax" not in loaded.names
    with pytest.raises(ModuleNotFoundError, match=r"^backend 'jax' needs JAX, flax, optax: "):
        get_backend("jax")
    with pytest.raises(TypeError, match="X must be an array"):
        dropout_layer([1.0], 0.5)  # type: ignore[type-var, unused-ignore]  # not an array
