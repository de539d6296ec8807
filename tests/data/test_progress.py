"""What a download shows while it waits."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator

import pytest

from d2ldrop.data import DataNotFoundError, DataSource, download, load_data
from d2ldrop.data.places import cache_dir
from tests.data.conftest import NOBODY
from tests.data.hostile import ODD, SMALL, Mirror

NAME = f"{SMALL.name}.gz"
NOWHERE = (
    "import d2ldrop.data.download\n"
    "d2ldrop.data.fashion_mnist.other_folders = lambda: []\n"
    f"d2ldrop.data.download.MIRRORS = ('{NOBODY}',)\n"
    "from d2ldrop.cli.main import main\n"
    "main()\n"
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


class FullTerminal(Full, Terminal):
    pass


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(download, "FILES", (SMALL,))
    mirror = Mirror(ODD["in pieces"])
    yield f"http://{mirror.address}/"
    mirror.close()


def test_a_line_for_each_request(mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    download.download([NOBODY, mirror])
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"Downloading {NAME} from {NOBODY} (18.3kB)",
        f"Downloading {NAME} from {mirror} (18.3kB)",
    ]


def test_a_bar_on_a_terminal(mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    download.download([mirror])
    assert f"Downloading {NAME} from {mirror}:   0%" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_quiet(mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    download.download([mirror], quiet=True)
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # old tqdm's __del__
@pytest.mark.parametrize("stream", [Full(), FullTerminal(), None, "closed"])
def test_a_failing_stderr_does_not_stop_the_download(
    mirror: str, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | str | None
) -> None:
    if stream == "closed":
        stream = io.StringIO()
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    download.download([mirror])
    assert (cache_dir() / NAME).exists()


def test_a_data_source_can_be_quiet(nowhere: None, capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (True, False):
        with pytest.raises(DataNotFoundError):
            load_data("fashion-mnist", quiet=quiet)
        assert ("Downloading" in capsys.readouterr().err) is not quiet
    assert DataSource(quiet=True) == DataSource()


@pytest.mark.parametrize("options", [(), ("--quiet",)])
def test_the_option_quiet(options: tuple[str, ...]) -> None:
    out = subprocess.run(
        [sys.executable, "-c", NOWHERE, "train", "numpy", "--dataset", "fashion-mnist", *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "could not be downloaded" in out.stderr
    assert ("Downloading" in out.stderr) is not bool(options)
