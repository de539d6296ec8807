"""Reports that a worker may send, and lines that are none."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d2ldrop.cli.progress import Progress
from d2ldrop.processes.interpreters import check_usable
from d2ldrop.processes.jobs import ProbeJob
from d2ldrop.processes.launcher import WorkerFailedError, run_job
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.processes.reports import FIELDS, parse_report

STEP = {"event": "step", "phase": "train", "done": 1, "total": 2}
EPOCH = {
    "event": "epoch",
    "epoch": 1,
    "train_loss": None,
    "train_accuracy": 0.5,
    "test_accuracy": 1,
    "seconds": 0.1,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("event", [STEP, EPOCH, {"event": "done"}, {"event": "own", "x": [1]}])
def test_a_report_is_read(event: dict[str, Any]) -> None:
    assert parse_report(json.dumps(event).encode()) == event


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Welcome to this cluster",
        b"\xff\xfe",
        b"5",
        b"null",
        b'"event"',
        b"[]",
        b"{}",
        b'{"event": 5}',
        b'{"event": null}',
        b'{"event": ["step"]}',
        b'{"event": "step"}',
        b'{"event": "step", "phase": "train", "done": 1}',
        b'{"event": "step", "phase": "train", "done": "1", "total": 2}',
        b'{"event": "step", "phase": ["train"], "done": 1, "total": 2}',
        b'{"event": "step", "phase": "train", "done": true, "total": 2}',
        b'{"event": "step", "phase": "train", "done": 1, "total": 1' + b"0" * 400 + b"}",
        b'{"event": "error"}',
        b'{"event": "evaluation", "loss": 1.0}',
        b'{"event": "evaluation", "loss": 1.0, "accuracy": null}',
        b'{"event": "probe", "version": 1, "devices": []}',
        b"[" * 100_000,
    ],
    ids=lambda line: line[:60].decode(errors="replace"),
)
def test_what_is_no_report_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a report: b"):
        parse_report(line)


@given(name=st.sampled_from(["step", "epoch", "failed"]), values=st.data())
def test_the_progress_display_can_show_every_report(name: str, values: st.DataObject) -> None:
    """Any report that is not refused, whatever is in its fields."""
    usual = {key: st.one_of(*map(st.from_type, types)) for key, types in FIELDS[name].items()}
    event = {"event": name, **{key: values.draw(one | JSON) for key, one in usual.items()}}
    try:
        event = parse_report(json.dumps(event).encode())
    except ValueError:
        return
    with Progress() as progress:
        progress("numpy", event)


def interpreter(tmp_path: Path, body: str) -> dict[str, str]:
    """An interpreter that answers "-c", but as a worker does ``body``."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\n{body}\n')
    python.chmod(0o755)
    return {"numpy": str(python)}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit 0", "exit status 0, but its work is not done; .*/python must be a Python interp"),
        ("echo hello; exit 0", "exit status 0, but its work is not done: hello; .* must be a"),
        ("exec /bin/true", "exit status 0, but its work is not done"),
        ("exit 7", "exit status 7"),
        (
            'echo hello > "/dev/fd/$3"; exit 0',
            "not a report: b'hello'; .*/python must be a Python interp",
        ),
        ("""echo '{"event": "probe"}' > "/dev/fd/$3"; sleep 60""", "not a report: b'.*probe"),
        ("""echo '{"event": "done"}' > "/dev/fd/$3"; exit 0""", "its work is not done"),
        ("""printf '{"event": "do' > "/dev/fd/$3"; kill -9 $$""", "killed by SIGKILL"),
        ('head -c 100000 /dev/urandom > "/dev/fd/$3"; echo > "/dev/fd/$3"', "not a report"),
        ("head -c 30000000 /dev/zero; exit 3", "exit status 3"),
        ("yes | head -c 30000000; echo cause; exit 3", "exit status 3: cause"),
    ],
)
def test_an_interpreter_that_is_none_fails_by_name(tmp_path: Path, body: str, message: str) -> None:
    pythons = interpreter(tmp_path, body)
    check_usable("numpy", pythons)
    log = tmp_path / "log"
    with pytest.raises(WorkerFailedError, match=message):
        run_job(ProbeJob("numpy"), WorkerOptions(pythons=pythons), lambda _: None, log=log)
    assert log.stat().st_size < 10_100_000


def test_a_line_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d2ldrop.processes.child.LARGEST_LINE", 1_000_000)
    pythons = interpreter(tmp_path, 'tr "\\0" x < /dev/zero > "/dev/fd/$3"')
    with pytest.raises(WorkerFailedError, match=r"not a report: b'xxx"):
        run_job(
            ProbeJob("numpy"),
            WorkerOptions(pythons=pythons),
            lambda _: None,
            log=tmp_path / "log",
        )
