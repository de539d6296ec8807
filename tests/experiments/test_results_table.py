"""The command line writes the table, the remarks and ``result.json``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.experiments.small import OPTIONS


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "d2ldrop", "experiment", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_seed_gives_no_interval_but_a_remark(tmp_path: Path) -> None:
    arguments = ["dropconnect", "--seeds", "1", *OPTIONS, "--out", str(tmp_path), "--name", "mine"]
    ended = command(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert "One seed gives no confidence interval and no test" in ended.stdout
    assert "interval]" not in ended.stdout
    result = json.loads((tmp_path / "mine" / "result.json").read_text())
    assert result["conclusion"] is None
    for entry in result["tables"]["test_error"].values():
        assert entry["estimate"]["interval"] is None
        assert entry["p"] is None
    again = command(*arguments)
    assert again.returncode == 2
    assert "--resume keeps what is there" in again.stderr


def test_two_seeds_give_intervals_and_a_conclusion(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path), "--name", "mine"]
    ended = command("dropconnect", "--seeds", "2", *OPTIONS, *out)
    assert ended.returncode == 0, ended.stderr
    assert "minus 'dropout'" in ended.stdout
    result = json.loads((tmp_path / "mine" / "result.json").read_text())
    assert {"processor", "cores", "platform", "python"} <= set(result["machine"])
    assert result["d2ldrop_version"]
    assert result["conclusion"].split()[0] in ended.stdout
    assert (tmp_path / "mine" / "figure.png").read_bytes().startswith(b"\x89PNG")
