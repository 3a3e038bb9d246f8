"""Runs of the tools as processes of their own, without the seconds that importing PyTorch takes each time.

A server that has imported everything forks a child for each run, which goes through the tool's file as ``__main__``
and ends as Python ends: signals meet a real process in its real state.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = (
    "torch", "cv2", "av", "timm", "mmdet_vis.api", "mmdet_vis.run.videos",
    "mmdet_vis.training", "mmdet_vis.training.state", "mmdet_vis.streaming.run",
    "mmdet_vis.models.backbones.timm_backbone", "mmdet_vis.streaming.container",
)  # fmt: skip
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HangError(Exception):
    """A process did not end in the time given."""


class Run(ABC):
    """A run of a tool.

    Attributes:
        pid: its process; stays reserved until :meth:`wait` has returned.
    """

    pid: int

    @abstractmethod
    def wait(self, timeout: float) -> int:
        """Wait for the end; returns the exit code, negative for a signal.

        Raises:
            HangError: it did not end; it is killed then.
        """

    def send(self, number: int) -> None:
        """Send a signal; one that comes after the end is lost."""
        os.kill(self.pid, number)

    def ended(self) -> bool:
        """Whether the process has ended, without taking its exit code."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        return state in "ZX"


class ColdRun(Run):
    """A run in an interpreter that starts from nothing."""

    def __init__(self, command: Sequence[str], out: Path, err: Path) -> None:
        with open(out, "wb") as stdout, open(err, "wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, *command], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                preexec_fn=_take_signals,
            )  # fmt: skip
        self.pid = self._process.pid

    def wait(self, timeout: float) -> int:
        """See :meth:`Run.wait`."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise HangError from None


class ForkedRun(Run):
    """A run in a child of the server."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self._server = server
        self.pid = pid

    def wait(self, timeout: float) -> int:
        """See :meth:`Run.wait`."""
        self._server.tell({"wait": self.pid})
        if not self._server.answers(timeout):
            os.kill(self.pid, signal.SIGKILL)
            self._server.hear()
            raise HangError
        return os.waitstatus_to_exitcode(self._server.hear())


class ForkServer:
    """The server, in a ``with`` block."""

    def __enter__(self) -> ForkServer:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.fork_server"],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=_take_signals,
        )  # fmt: skip
        self.hear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def start(self, command: Sequence[str], out: Path, err: Path) -> ForkedRun:
        """Start a tool: its file and its arguments; output goes to files."""
        self.tell({"start": list(command), "out": str(out), "err": str(err)})
        return ForkedRun(self, self.hear())

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def answers(self, timeout: float) -> bool:
        """Whether an answer comes within so many seconds."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], timeout)[0])

    def hear(self) -> int:
        """The next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the fork server ended: see what it printed on stderr")
        return int(line)


def _take_signals() -> None:
    """Undo what the shells do to programs in the background: there, Ctrl-C is ignored."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def serve() -> dict[str, Any]:
    """Import everything, then fork for each request; returns in the children only, with what to run."""
    for name in IMPORTED:
        importlib.import_module(name)
    # What is imported stays out of the children's garbage collections, which would copy its pages.
    gc.freeze()
    # Unbuffered, so that a child does not inherit requests that were read ahead.
    requests = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
    os.write(1, b"0\n")
    while line := requests.readline():
        message: dict[str, Any] = json.loads(line)
        if "wait" in message:
            answer = os.waitpid(message["wait"], 0)[1]
        else:
            # Hooks of libraries run in the child first, and swallow what a signal raises in them.
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            answer = os.fork()
            if answer == 0:
                return message
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.write(1, f"{answer}\n".encode())
    os._exit(0)


def main() -> None:
    """Serve; in a child: run the tool."""
    message = serve()
    for number, path in ((0, os.devnull), (1, message["out"]), (2, message["err"])):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, number)
        os.close(file)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    sys.argv = message["start"]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
