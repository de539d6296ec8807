"""Entry points of other packages: a malformed one hides no other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from d2ldrop import backend_names
from tests.fakes import install

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
