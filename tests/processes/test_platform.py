"""Without worker processes, as on Windows, commands that need one say so before any work."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from d2ldrop.processes.child import WITHOUT_WORKERS, Child, check_platform
from d2ldrop.processes.interpreters import check_usable
from d2ldrop.processes.options import WorkerOptions

WINDOWS = textwrap.dedent(
    """
    import importlib, os, pathlib, pkgutil, re, select, signal, sys
    import platformdirs  # imported late by d2ldrop

    SKIP = re.compile(r"d2ldrop([.]d2l[.].*|[.]bench[.]on_.*|[.].*__main__)")  # frameworks

    def import_all():
        import d2ldrop, d2ldrop_numpy
        return [
            importlib.import_module(module.name)
            for module in pkgutil.walk_packages(d2ldrop.__path__, "d2ldrop.")
            if not SKIP.fullmatch(module.name)
        ]

    before = len(import_all())  # imports the packages of others, which know Windows
    for name in [name for name in sys.modules if name.startswith("d2ldrop")]:
        del sys.modules[name]
    for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty"):
        sys.modules[name] = None
    for module, names in {
        os: "fork forkpty register_at_fork killpg getpgid setsid getuid geteuid sched_getaffinity"
        " O_DIRECTORY mkfifo statvfs sysconf uname wait",
        signal: "SIGKILL SIGHUP SIGALRM SIGPIPE SIGCHLD SIGUSR1 SIGSTOP pthread_sigmask",
        select: "poll epoll",
    }.items():
        for name in names.split():
            if hasattr(module, name):  # macOS lacks some, too
                delattr(module, name)
    exists = pathlib.Path.exists
    pathlib.Path.exists = lambda path: not str(path).startswith("/proc") and exists(path)
    assert len(import_all()) == before

    import numpy as np
    import d2ldrop.core.locks
    from d2ldrop import Recipe, dropout_layer, load_weights, train
    from d2ldrop.cli.main import main
    from d2ldrop.data import DataSource

    d2ldrop.core.locks.SEALED = True
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir()
    small = Recipe(num_epochs=1, num_hiddens=(4, 4), batch_size=20)
    run = train("numpy", small, data=DataSource("stand-in", None, 40, 20), folder=folder / "run")
    assert run.peak_rss_bytes == 0
    assert sorted(file.name for file in (folder / "run").iterdir()) == [
        "result.json", "trace.npy", "weights.safetensors"
    ]
    weights = str(folder / "run" / "weights.safetensors")
    assert set(load_weights(weights)) == set(run.weights)
    assert dropout_layer(np.ones(8), 0.5).shape == (8,)

    os.chdir(folder)
    for words in (
        "data", "compare numpy", "train numpy", "experiment features", "bench layer numpy",
        "backends", f"evaluate {weights} --backend numpy",
    ):
        if words != "data":  # it asks platformdirs, for which this is no Windows
            sys.platform = "win32"
        sys.argv[1:] = words.split()
        try:
            main()
        except SystemExit as ended:
            print("exit", words.split()[0], ended.code, flush=True)
    print("files", *(path.name for path in folder.iterdir()))
    """
)
REFUSAL = (
    "worker processes need Linux or macOS, and this is Windows: run d2ldrop in WSL, or use "
    "d2ldrop.train in Python, which starts none"
)


def test_windows_has_the_functions_and_refuses_commands_that_start_workers(tmp_path: Path) -> None:
    """A process that lacks what Windows lacks stands for Windows."""
    ended = subprocess.run(
        [sys.executable, "-c", WINDOWS, str(tmp_path / "new")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    refused = ["compare", "train", "experiment", "bench", "backends", "evaluate"]
    lines = [line for line in ended.stdout.splitlines() if line.startswith(("exit", "files"))]
    # `data` works: it ends with 0, or with 1 if the images are not on this machine.
    assert lines[0] in ("exit data 0", "exit data 1")
    assert lines[1:] == [*(f"exit {command} 2" for command in refused), "files run"]
    assert ended.stderr.splitlines() == [f"Error: {REFUSAL}"] * len(refused)


def test_whatever_starts_workers_checks_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    for start in (
        check_platform,
        WorkerOptions,
        lambda: Child([sys.executable, "-c", ""], {}),
        lambda: check_usable("torch", {"torch": f"{sys.executable}-other"}),
    ):
        with pytest.raises((OSError, ValueError), match="worker processes need Linux or macOS"):
            start()
    for platform in WITHOUT_WORKERS.keys() - {"win32"}:
        monkeypatch.setattr(sys, "platform", platform)
        with pytest.raises(
            OSError, match=rf"this is {WITHOUT_WORKERS[platform]}: use d2ldrop.train"
        ):
            WorkerOptions()


@pytest.mark.parametrize("platform", ["linux", "darwin", "freebsd14", "cygwin"])
def test_a_posix_system_is_not_refused(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    check_platform()
