"""A child process with three pipes: its job goes in, its reports and its output come out.

This is the parent's side. ``worker`` is the child's side. They need a POSIX system: the child
inherits the pipe of its reports, and it is killed together with its own children.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

WITHOUT_WORKERS = {"win32": "Windows", "emscripten": "Emscripten", "wasi": "WASI"}
"""The systems that lack what a worker process needs, by ``sys.platform``."""
LARGEST_LINE = 64_000_000
"""Bytes of a report after which it is cut."""
CHUNK = 65_536
SECONDS_BETWEEN_LOOKS = 0.2
READS_AFTER_THE_END = 64
"""More than a pipe can hold. A process that the child left behind may print without end."""


def check_platform() -> None:
    """Raise OSError if worker processes cannot run on this system."""
    system = WITHOUT_WORKERS.get(sys.platform)
    if system is not None:
        wsl = "run d2ldrop in WSL, or " if sys.platform == "win32" else ""
        raise OSError(
            f"worker processes need Linux or macOS, and this is {system}: {wsl}"
            "use d2ldrop.train in Python, which starts none"
        )


class Child:
    """A running child process.

    Attributes:
        process: the process; its stdin takes the job, and its stdout and stderr are its output.

    Raises:
        OSError: the command cannot be started, or this system has no worker processes.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start ``command``; its last argument is the descriptor for reports, which is added."""
        check_platform()
        self._reports, writing_end = os.pipe()
        try:
            self.process = subprocess.Popen(
                [*command, str(writing_end)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[writing_end],
                start_new_session=True,  # Ctrl-C reaches only the parent; it ends the child
            )
        except BaseException:
            os.close(self._reports)
            raise
        finally:
            os.close(writing_end)
        self._reader: threading.Thread | None = None

    def send(self, line: bytes) -> None:
        """Send the job. Stdin stays open: the child ends when the parent closes it."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the child died; its exit status says why
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def listen(self, on_output: Callable[[bytes], None]) -> queue.SimpleQueue[bytes | None]:
        """Read in a thread: reports go into the queue, output to ``on_output``.

        The last item of the queue is None. It comes when the child has ended, even if a process
        that the child left behind still holds the pipes.
        """
        lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        reader = threading.Thread(target=self._read, args=(lines, on_output), daemon=True)
        reader.start()
        self._reader = reader
        return lines

    def end(self) -> None:
        """Kill the child and its own children, if any are left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self._reader is None:
            self._close()
        else:
            self._reader.join()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def _read(
        self, lines: queue.SimpleQueue[bytes | None], on_output: Callable[[bytes], None]
    ) -> None:
        assert self.process.stdout is not None
        takers = {self._reports: _Lines(lines), self.process.stdout.fileno(): on_output}
        reads_left = READS_AFTER_THE_END
        with selectors.DefaultSelector() as selector:
            for descriptor, take in takers.items():
                selector.register(descriptor, selectors.EVENT_READ, take)
            while reads_left:
                # Look first, then read: what the child wrote before its end is in the pipes.
                ended = self.process.poll() is not None
                reads_left -= ended
                if not selector.get_map() and not ended:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self.process.wait(SECONDS_BETWEEN_LOOKS)
                    continue
                ready = selector.select(0 if ended else SECONDS_BETWEEN_LOOKS)
                if ended and not ready:
                    break
                for key, _ in ready:
                    chunk = os.read(key.fd, CHUNK)
                    if chunk:
                        key.data(chunk)
                    else:
                        selector.unregister(key.fd)
        self._close()
        lines.put(None)

    def _close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        os.close(self._reports)


class _Lines:
    """Splits a stream into lines. An unfinished last line is dropped: its writer died."""

    def __init__(self, lines: queue.SimpleQueue[bytes | None]) -> None:
        self._lines = lines
        self._begun: list[bytes] = []
        self._size = 0

    def __call__(self, chunk: bytes) -> None:
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            self._lines.put(b"".join([*self._begun, line]))
            self._begun, self._size = [], 0
        self._begun.append(rest)
        self._size += len(rest)
        if self._size > LARGEST_LINE:
            self._lines.put(b"".join(self._begun))  # half a report, which its reader rejects
            self._begun, self._size = [], 0
