"""stdout and stderr may fail: the run goes on, and its files are complete."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click
import pytest

from d2ldrop.cli.output import CLOSED_PIPE
from d2ldrop.cli.progress import Progress
from tests.fakes import install

SMALL = (
    *("--dataset", "stand-in", "--train-size", "300", "--test-size", "50", "--name", "n"),
    *("--num-epochs", "2", "--num-hiddens", "16", "8"),
)
COMMAND = [sys.executable, "-m", "d2ldrop"]
COMPARE = [*COMMAND, "compare", "numpy", *SMALL, "--lockstep-steps", "2"]
TRAIN = [*COMMAND, "train", "numpy", *SMALL]
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def closed_pipe() -> int:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def assert_complete(folder: Path) -> None:
    run = folder / "runs" / "n"
    assert json.loads((run / "summary.json").read_text())["ok"] is True
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "numpy" / "result.json").exists()


@pytest.mark.parametrize("both", [False, True], ids=["stdout", "stdout and stderr"])
def test_a_reader_that_goes_away_loses_nothing(tmp_path: Path, both: bool) -> None:
    pipe = closed_pipe()
    ended = subprocess.run(
        COMPARE, cwd=tmp_path, stdout=pipe, stderr=pipe if both else subprocess.PIPE, check=False
    )
    os.close(pipe)
    assert ended.returncode == CLOSED_PIPE
    assert_complete(tmp_path)
    if not both:
        assert b"Error" not in ended.stderr
        assert b"Exception ignored" not in ended.stderr


@full
def test_a_full_disk_under_stdout_is_status_1_and_a_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as disk:
        ended = subprocess.run(
            [*COMPARE, "--quiet"], cwd=tmp_path, stdout=disk, stderr=subprocess.PIPE, check=False
        )
    assert ended.returncode == 1
    assert_complete(tmp_path)
    message = "Error: stdout failed: No space left on device. The results are in runs/n\n"
    assert ended.stderr.decode() == message


@full
def test_a_full_disk_under_stderr_only_costs_the_progress(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as disk:
        ended = subprocess.run(
            COMPARE, cwd=tmp_path, stdout=subprocess.PIPE, stderr=disk, check=False
        )
    assert ended.returncode == 0
    assert ended.stdout.endswith(b"Results and curves: runs/n\nPage: runs/n/report.html\n")
    assert_complete(tmp_path)


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)], ids=str)
def test_closed_descriptors(tmp_path: Path, closed: tuple[int, ...]) -> None:
    redirections = " ".join(f"{descriptor}>&-" for descriptor in closed)
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *TRAIN],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == (1 if 1 in closed else 0)
    assert (tmp_path / "runs" / "n" / "numpy" / "result.json").exists()
    assert ("Results and weights" in ended.stdout) == (1 not in closed)
    assert ("Error: stdout failed: Bad file descriptor" in ended.stderr) == (closed == (1,))


def test_a_failed_run_stays_a_failed_run(tmp_path: Path) -> None:
    env = install(tmp_path / "site", "raising")
    pipe = closed_pipe()
    train = [*COMMAND, "train", "raising", *SMALL]
    ended = subprocess.run(train, cwd=tmp_path, env=env, stdout=pipe, stderr=pipe, check=False)
    os.close(pipe)
    assert ended.returncode == 1


def test_a_non_blocking_pipe_gets_everything(tmp_path: Path) -> None:
    """A slow reader of a pipe that another program has made non-blocking."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    code = (
        "from d2ldrop.cli.output import OUTPUT\n"
        "OUTPUT.protect()\n"
        "print('x' * 100_000)\n"
        "raise SystemExit(OUTPUT.settle(0))\n"
    )
    running = subprocess.Popen([sys.executable, "-c", code], stdout=writing, cwd=tmp_path)
    os.close(writing)
    time.sleep(0.5)  # the pipe is full by now
    with os.fdopen(reading, "rb") as stream:
        assert len(stream.read()) == 100_001
    assert running.wait() == 0


# Signals


def signal_in_the_middle(
    tmp_path: Path, number: signal.Signals, ignored: bool, arguments: list[str], sign: str
) -> tuple[int, str, str]:
    """Send a signal once stderr shows ``sign``; the exit status, stdout and stderr."""
    disposition = signal.SIG_IGN if ignored else signal.SIG_DFL
    code = f"import os, signal, sys; signal.signal({int(number)}, signal.{disposition.name})\n"
    code += "os.execv(sys.argv[1], sys.argv[1:])"
    running = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path, env=install(tmp_path / "site", "slow"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    timer = threading.Timer(120, running.kill)
    timer.start()
    assert running.stderr is not None
    shown = ""
    for line in running.stderr:
        shown += line
        if sign in line:
            running.send_signal(number)
            break
    stdout, stderr = running.communicate()
    timer.cancel()
    return running.returncode, stdout, shown + stderr


SLOW = [*COMMAND, "train", "slow", *SMALL]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM], ids=str)
def test_an_inherited_ignore_is_respected(tmp_path: Path, number: signal.Signals) -> None:
    """``nohup`` ignores SIGHUP, and a script's ``&`` ignores SIGINT."""
    status, stdout, _ = signal_in_the_middle(tmp_path, number, True, SLOW, "training")
    assert status == 0
    assert "after 2 epochs" in stdout


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM], ids=str)
def test_a_signal_ends_the_run_and_says_how_to_resume(
    tmp_path: Path, number: signal.Signals
) -> None:
    status, stdout, stderr = signal_in_the_middle(tmp_path, number, False, SLOW, "training")
    assert status == 130
    assert stdout == ""
    assert "--name n --resume continues.\n" in stderr
    assert stderr.endswith("Interrupted.\n")


def test_a_comparison_that_is_interrupted_at_once_claims_nothing(tmp_path: Path) -> None:
    """Nothing is in lockstep, because nothing was measured, and there are no curves."""
    slow = [*COMMAND, "compare", "slow", *SMALL, "--lockstep-steps", "4"]
    found = signal_in_the_middle(tmp_path, signal.SIGINT, False, slow, "slow: lockstep check")
    status, stdout, _ = found
    assert status == 130
    assert "in lockstep" not in stdout
    assert "nothing is compared: slow did not get so far" in " ".join(stdout.split())
    assert "Results: runs/n" in stdout


def test_an_error_of_the_system_after_the_start_is_not_a_bad_argument(tmp_path: Path) -> None:
    """A stand-in for a disk that is full when the summary is written."""
    code = (
        "import d2ldrop.comparison.runner as runner\n"
        "write_really = runner.NamedFolder.write\n"
        "def write(folder, content):\n"
        "    if any(row['status'] == 'ok' for row in content['backends'].values()):\n"
        "        raise OSError(28, 'No space left on device', 'runs/n/summary.json')\n"
        "    return write_really(folder, content)\n"
        "runner.NamedFolder.write = write\n"
        "from d2ldrop.cli.main import main\n"
        "main()\n"
    )
    arguments: list[Any] = [sys.executable, "-c", code, *COMPARE[3:]]
    ended = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "No space left on device" in ended.stderr


def test_a_picture_that_cannot_be_written_does_not_cost_the_table(tmp_path: Path) -> None:
    (tmp_path / "runs" / "n" / "curves.png").mkdir(parents=True)  # a folder with its name
    ended = subprocess.run(COMPARE, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "The curves could not be drawn" in ended.stderr
    assert "Results without curves: runs/n" in ended.stdout
    assert "all in lockstep" in ended.stdout


def test_an_error_before_the_first_report_of_a_worker_is_a_bad_argument() -> None:
    with pytest.raises(PermissionError), Progress(quiet=True):
        raise PermissionError(13, "Permission denied", "runs")
    progress = Progress(quiet=True)
    progress("numpy", {"event": "step", "phase": "train", "done": 1, "total": 4})
    with pytest.raises(click.ClickException) as caught, progress:
        raise PermissionError(13, "Permission denied", "runs")
    assert caught.value.exit_code == 1
    assert "Permission denied" in caught.value.format_message()
