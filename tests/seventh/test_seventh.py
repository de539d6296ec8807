"""A seventh framework, by a third party: everything works, and d2ldrop does not know its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import FRAMEWORKS
from tests.seventh.conftest import Python

ROOT = Path(__file__).parents[2]
FEW = ["--dataset", "stand-in", "--train-size", "1100", "--test-size", "200"]
SMALL = [*FEW, "--num-epochs", "1", "--num-hiddens", "16", "8"]
# The other frameworks cannot be imported: starting them would take half a minute.
ALONE = f"import sys; sys.modules.update(dict.fromkeys({FRAMEWORKS}))\n"
MAIN = "from d2ldrop.cli.main import main\nsys.argv[0] = 'd2ldrop'\nmain()"
IN_A_USERS_PROGRAM = """
import json, sys
import d2ldrop, numpy as np

before = d2ldrop.title("minitape"), "minitape" in sys.modules
import minitape

numpys = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
X = minitape.Array(numpys, trainable=True)
Y = d2ldrop.dropout_layer(X, 0.3, seed=1, step=2)
numpys_Y = d2ldrop.dropout_layer(numpys, 0.3, seed=1, step=2)
mask = d2ldrop.dropout_mask((3, 4), 0.3, seed=1, step=2)
ones = minitape.Array(np.ones((1, 3), np.float32)) @ Y @ minitape.Array(np.ones((4, 1), np.float32))
(gradient,) = minitape.gradients(ones, [X])
given = d2ldrop.dropout_layer(X, 0.3, mask=minitape.Array(mask))
messages = []
for wrong in (minitape.Array([1, 2]), type("Sequential", (), {})()):
    try:
        d2ldrop.dropout_layer(wrong, 0.5)
    except TypeError as error:
        messages.append(str(error))
try:
    d2ldrop.get_backend("minitape").from_numpy(np.ones(2))
except TypeError as error:
    messages.append(str(error))
print(json.dumps({
    "before": before,
    "type": type(Y).__name__,
    "masks": (Y.values != 0).tobytes() == (numpys_Y != 0).tobytes() == mask.tobytes(),
    "values": bool(np.allclose(Y.values, numpys_Y, rtol=1e-6)),
    "given": Y.values.tobytes() == given.values.tobytes(),
    "dtypes": [str(Y.dtype), str(gradient.dtype)],
    "gradient": bool(np.allclose(gradient.values, mask / 0.7)),
    "messages": messages,
}))
"""


def d2ldrop(python: Python, *arguments: str, status: int = 0) -> str:
    return python("-m", "d2ldrop", *arguments, status=status)


def test_no_file_of_d2ldrop_knows_its_name() -> None:
    sources = [path for room in ("d2ldrop", "backends") for path in (ROOT / room).rglob("*.py")]
    sources += [ROOT / "docs" / "tables.py", ROOT / "tests" / "conftest.py"]
    assert len(sources) > 100
    assert [path for path in sources if "minitape" in path.read_text(encoding="utf-8")] == []


def test_its_facts_are_used(python: Python) -> None:
    listed = python("-c", ALONE + MAIN, "backends")
    assert "minitape" in listed
    assert "MiniTape" in listed
    assert "0.1.0" in listed
    unknown = d2ldrop(python, "train", "mt", status=2)
    assert "mxnet, paddle, jax, minitape; did you mean 'minitape'?" in unknown
    gone = ALONE + "sys.modules['minitape'] = None\n" + MAIN
    missing = python("-c", gone, "train", "minitape", status=2)
    assert "'minitape' needs MiniTape: pip install d2ldrop-minitape" in missing


def test_its_arrays_in_a_users_program(python: Python) -> None:
    found = json.loads(python("-c", IN_A_USERS_PROGRAM))
    messages = found.pop("messages")
    assert found == {
        "before": ["MiniTape", False],
        "type": "Array",
        "masks": True,
        "values": True,
        "given": True,
        "dtypes": ["float32", "float32"],
        "gradient": True,
    }
    assert messages[0].startswith("X must have a floating-point dtype, got int64")
    assert messages[1].endswith(
        "MiniTape, got Sequential; its params() are arrays: drop units between its layers"
    )
    assert messages[2].startswith("MiniTape would make float32 of a float64 array")


@pytest.mark.slow
def test_it_is_trained_evaluated_and_benchmarked(python: Python, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path), "--quiet"]
    trained = d2ldrop(python, "train", "minitape", *SMALL, *out, "--name", "t")
    assert "MiniTape 0.1.0 on STAND-IN DATA" in trained
    run = tmp_path / "t" / "minitape"
    of_minitape = [str(run / "weights.safetensors"), "--backend", "minitape"]
    evaluated = d2ldrop(python, "evaluate", *of_minitape, *FEW)
    accuracy = json.loads((run / "result.json").read_text())["epochs"][-1]["test_accuracy"]
    assert "MiniTape: test loss 2.3" in evaluated
    assert f"test accuracy {accuracy:.4f} (200 images of stand-in)" in evaluated
    experiment = ["experiment", "dropconnect", "--backend", "minitape", "--seeds", "2"]
    assert "MiniTape, STAND-IN DATA" in d2ldrop(python, *experiment, *SMALL, *out, "--name", "e")
    for kind in ("startup", "layer", "train"):
        bench = ["bench", kind, "minitape", "--rounds", "1", *FEW, *out, "--name", f"b-{kind}"]
        d2ldrop(python, *bench)
        (figures,) = json.loads((tmp_path / f"b-{kind}" / "bench.json").read_text())[
            "backends"
        ].values()
        assert "error" not in figures


@pytest.mark.slow
def test_it_conforms_and_is_in_lockstep_in_float64(python: Python, tmp_path: Path) -> None:
    """MiniTape has float64 only in an environment that its facts declare."""
    judged = d2ldrop(python, "conformance", "minitape", "--json", str(tmp_path / "judged.json"))
    assert "minitape (d2ldrop-minitape 0.1.0, d2ldrop" in judged
    assert " passed: " in judged
    checks = [
        check
        for level in json.loads((tmp_path / "judged.json").read_text())["levels"]
        for check in level["checks"]
    ]
    skips = {check["message"] for check in checks if check["outcome"] == "skipped"}
    assert {"not declared: float16", "not declared: bfloat16"} <= skips
    assert all(skip.startswith("not declared: ") for skip in skips)
    few = ["--dtype", "float64", "--lockstep-steps", "20", "--out", str(tmp_path), "--name", "c"]
    d2ldrop(python, "compare", "numpy", "minitape", "--impl", "both", *SMALL, *few, "--quiet")
    summary = json.loads((tmp_path / "c" / "summary.json").read_text())
    assert list(summary["backends"]) == ["numpy", "numpy-concise", "minitape", "minitape-concise"]
    assert summary["ok"] is True
    assert summary["conformance"] == {"minitape": "passed at version 0.1.0"}
    for check in summary["lockstep"]:
        assert all(check["in_lockstep"].values())
